"""Depthwise convolution: the Toeplitz product against torch's own convolution."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from adaptd.space.depthwise import DepthwiseConv1d, depthwise_conv1d
from adaptd.space.operation import Depthwise


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


@pytest.mark.parametrize("operation", [Depthwise(1), Depthwise(5), Depthwise(5, 4)])
@pytest.mark.parametrize("length", [16, 64, 200])
def test_an_operation_is_the_convolution_of_its_taps_and_dilation(
    operation: Depthwise, length: int
) -> None:
    layer = DepthwiseConv1d(6, operation)
    x = torch.randn(2, 6, length, generator=torch.Generator().manual_seed(0))
    expected = functional.conv1d(
        x, layer.weight, padding=operation.reach, dilation=operation.dilation, groups=6
    )
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


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
