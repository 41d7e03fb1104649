"""Depthwise convolution: the Toeplitz product against torch's own convolution."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from adaptd.space.depthwise import DepthwiseConv1d, depthwise_conv1d
from adaptd.space.lattice import Lattice
from adaptd.space.trace import traced_macs


def by_definition(x: Tensor, kernel: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """Sum of shifted copies, zero beyond the ends."""
    length, reach = x.shape[2], max(map(abs, offsets))
    padded = functional.pad(x, (reach, reach))
    return sum(
        (
            kernel[:, place, None] * padded[:, :, reach + offset : reach + offset + length]
            for place, offset in enumerate(offsets)
        ),
        torch.zeros_like(x),
    )


@given(
    offsets=st.lists(st.integers(-12, 12), min_size=1, max_size=6, unique=True).map(tuple),
    length=st.sampled_from([1, 5, 32, 64, 65, 100, 128, 130]),
    seed=st.integers(0, 99),
)
def test_any_offsets_and_lengths_give_the_sum_of_shifts_and_its_gradients(
    offsets: tuple[int, ...], length: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 4, length, generator=generator, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(
        4, len(offsets), generator=generator, dtype=torch.float64, requires_grad=True
    )
    weights = torch.randn(3, 4, length, generator=generator, dtype=torch.float64)
    outcome = depthwise_conv1d(x, kernel, offsets)
    expected = by_definition(x, kernel, offsets)
    torch.testing.assert_close(outcome, expected)
    torch.testing.assert_close(
        torch.autograd.grad((outcome * weights).sum(), (x, kernel)),
        torch.autograd.grad((expected * weights).sum(), (x, kernel)),
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("taps", "dilation"), [(1, 1), (5, 1), (5, 4)])
@pytest.mark.parametrize("length", [16, 64, 200])
def test_a_layer_is_the_convolution_of_its_taps_and_dilation(
    taps: int, dilation: int, length: int, stride: int
) -> None:
    layer = DepthwiseConv1d(6, Lattice((taps,), (dilation,)), stride=stride)
    x = torch.randn(2, 6, length, generator=torch.Generator().manual_seed(0))
    expected = functional.conv1d(
        x,
        layer.weight,
        padding=dilation * (taps // 2),
        dilation=dilation,
        groups=6,
        stride=stride,
    )
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    assert layer.macs(layer(x)) == expected.numel() * taps
    assert traced_macs(layer, (6, length)) == expected[0].numel() * taps


@pytest.mark.parametrize("length", [16, 200])
def test_it_trains_under_autocast(length: int) -> None:
    x = torch.randn(2, 4, length, requires_grad=True)
    kernel = torch.randn(4, 3, requires_grad=True)
    weights = torch.randn(2, 4, length)
    gradients = []
    for is_enabled in (True, False):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_enabled):
            outcome = depthwise_conv1d(x, kernel, (-1, 0, 1))
        assert outcome.dtype == (torch.bfloat16 if is_enabled else torch.float32)
        gradients.append(torch.autograd.grad((outcome.float() * weights).sum(), (x, kernel)))
    # bfloat16 has eight bits: a sum of so many products is known to a few per cent of its terms.
    torch.testing.assert_close(gradients[0], gradients[1], atol=0.4, rtol=0.05)


def test_the_short_path_saves_nothing_beside_input_and_kernel() -> None:
    x = torch.randn(4, 2, 32, requires_grad=True).transpose(0, 1)
    kernel = torch.randn(4, 3, requires_grad=True)
    saved: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        saved.append(tensor.untyped_storage().data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        depthwise_conv1d(x, kernel, (-8, 0, 8))
    assert set(saved) == {x.untyped_storage().data_ptr(), kernel.untyped_storage().data_ptr()}


@pytest.mark.parametrize("length", [12, 70])
def test_it_can_be_differentiated_twice(length: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, length, generator=generator, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(1, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(
        lambda x, kernel: depthwise_conv1d(x, kernel, (-9, 0, 2)), (x, kernel)
    )


def test_an_empty_batch_stays_empty() -> None:
    for length in (12, 70):
        x = torch.zeros(0, 2, length)
        assert depthwise_conv1d(x, torch.ones(2, 3), (-1, 0, 1)).shape == x.shape


def test_what_is_computed_without_gradients_serves_later_training() -> None:
    offsets = (-3, 0, 5)
    with torch.inference_mode():
        depthwise_conv1d(torch.zeros(1, 2, 21), torch.ones(2, 3), offsets)
    kernel = torch.ones(2, 3, requires_grad=True)
    outcome = depthwise_conv1d(torch.ones(1, 2, 21), kernel, offsets)
    (gradient,) = torch.autograd.grad(outcome.square().sum(), kernel, create_graph=True)
    gradient.sum().backward()  # type: ignore[no-untyped-call]
    assert kernel.grad is not None
