"""A convolution whose taps lie where several operations have theirs."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from adaptd.space.convolve import convolve
from adaptd.space.lattice import Lattice, Support


def explicit_sum(
    x: Tensor, kernel: Tensor, support: Support, *, stride: int, slack: int, groups: int
) -> Tensor:
    """The definition: tap by tap, each a shifted and scaled copy of x."""
    outputs, inputs, _ = kernel.shape
    axes = x.ndim - 2
    reach = max(max(map(abs, place)) for place in support.positions) + abs(slack)
    lengths = [(length + 2 * slack - 1) // stride + 1 for length in x.shape[2:]]
    padded = functional.pad(x, (reach,) * (2 * axes))
    total = x.new_zeros(len(x), outputs, *lengths)
    for tap, place in enumerate(support.positions):
        slices = [
            slice(
                reach - slack + offset, reach - slack + offset + stride * (length - 1) + 1, stride
            )
            for offset, length in zip(place, lengths, strict=True)
        ]
        shifted = padded[:, :, *slices].reshape(len(x), groups, inputs, *lengths)
        weights = kernel[:, :, tap].reshape(groups, outputs // groups, inputs)
        total = total + torch.einsum("goi,ngi...->ngo...", weights, shifted).flatten(1, 2)
    return total


def lattices(axes: int, *shapes: tuple[int, int]) -> Support:
    return Support.of(Lattice((taps,) * axes, (step,) * axes) for taps, step in shapes)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(
    "shapes",
    [((3, 1),), ((3, 1), (7, 1)), ((5, 1), (3, 2), (3, 3)), ((3, 1), (5, 4)), ((5, 2), (3, 5))],
)
@pytest.mark.parametrize(
    ("stride", "slack", "groups"), [(1, 0, 4), (2, 0, 4), (1, 1, 4), (1, 0, 1), (1, 0, 2)]
)
def test_it_is_the_sum_over_all_taps_with_its_gradients(
    axes: int, shapes: tuple[tuple[int, int], ...], stride: int, slack: int, groups: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    support = lattices(axes, *shapes)
    x = torch.randn(3, 4, *(11, 10)[:axes], generator=generator).requires_grad_()
    kernel = torch.randn(4, 4 // groups, len(support.positions), generator=generator)
    inputs = (x, kernel.requires_grad_())
    outcome = convolve(
        *inputs, support, stride=(stride,) * axes, slack=(slack,) * axes, groups=groups
    )
    expected = explicit_sum(*inputs, support, stride=stride, slack=slack, groups=groups)
    torch.testing.assert_close(outcome, expected, atol=1e-4, rtol=1e-5)
    weights = torch.randn(outcome.shape, generator=generator)
    for gradient, wanted in zip(
        torch.autograd.grad(outcome, inputs, weights),
        torch.autograd.grad(expected, inputs, weights),
        strict=True,
    ):
        size = float(wanted.abs().max())
        torch.testing.assert_close(gradient, wanted, atol=1e-5 * size, rtol=1e-5)


def test_the_tested_supports_need_one_and_several_convolutions() -> None:
    assert len(lattices(2, (3, 1), (7, 1)).lattices) == 1
    assert len(lattices(2, (5, 1), (3, 2), (3, 3)).lattices) == 2
