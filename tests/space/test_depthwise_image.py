"""Depthwise convolution of images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cost import saved_activation_bytes
from adaptd.space.depthwise_image import DepthwiseConv2d, depthwise_conv2d, is_quicker
from adaptd.space.lattice import Lattice

odd = st.integers(0, 5).map(lambda half: 2 * half + 1)
lattices = st.builds(Lattice, st.tuples(odd, odd), st.tuples(st.integers(1, 4), st.integers(1, 4)))


def of_torch(x: Tensor, kernel: Tensor, lattice: Lattice) -> Tensor:
    return functional.conv2d(
        x,
        kernel,
        padding=tuple(span // 2 for span in lattice.span),
        dilation=lattice.dilation,
        groups=len(kernel),
    )


@given(lattices, st.integers(1, 12), st.integers(1, 12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_outcome_and_gradients_are_those_of_torch_whatever_the_kernel(
    lattice: Lattice, height: int, width: int, is_channels_last: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 4, height, width, generator=generator)
    if is_channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(4, 1, *lattice.taps, generator=generator)
    inputs = (x.requires_grad_(), kernel.requires_grad_())
    outcome, expected = depthwise_conv2d(*inputs, lattice), of_torch(*inputs, lattice)
    torch.testing.assert_close(outcome, expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn(x.shape, generator=generator)
    for gradient, wanted in zip(
        torch.autograd.grad(outcome, inputs, weights),
        torch.autograd.grad(expected, inputs, weights),
        strict=True,
    ):
        size = float(wanted.abs().max()) or 1.0
        torch.testing.assert_close(gradient, wanted, atol=1e-5 * size, rtol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dilation", [1, 3, 5])
def test_the_layout_stays(layout: torch.memory_format, dilation: int) -> None:
    x = torch.randn(2, 3, 8, 9).contiguous(memory_format=layout).requires_grad_()
    outcome = depthwise_conv2d(x, torch.randn(3, 1, 5, 5), Lattice((5, 5), (dilation,) * 2))
    assert outcome.is_contiguous(memory_format=layout)


def test_a_step_keeps_the_input_and_nothing_of_the_phases() -> None:
    class Convolved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Parameter(torch.randn(4, 1, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            return depthwise_conv2d(x, self.kernel, Lattice((3, 3), (2, 2)))

    x = torch.randn(5, 4, 9, 9)
    kept = saved_activation_bytes(Convolved(), x, x, loss=lambda outcome, _: outcome.sum())
    assert kept == 4 * x.numel()


def test_torch_is_left_what_it_is_quick_at() -> None:
    image = torch.randn(2, 3, 8, 8)
    assert is_quicker(image, Lattice((7, 7), (1, 1)))
    assert is_quicker(image, Lattice((3, 3), (2, 2)))
    assert not is_quicker(image, Lattice((3, 3), (1, 1)))
    assert not is_quicker(image.double(), Lattice((7, 7), (1, 1)))
    with torch.no_grad():
        assert not is_quicker(image, Lattice((7, 7), (1, 1)))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("lattice", [Lattice((7, 7), (1, 1)), Lattice((3, 5), (2, 1))])
def test_the_layer_computes_what_torch_s_own_does(stride: int, lattice: Lattice) -> None:
    layer = DepthwiseConv2d(4, lattice, stride=stride)
    plain = nn.Conv2d(
        4,
        4,
        (lattice.taps[0], lattice.taps[1]),
        stride=stride,
        padding=(lattice.span[0] // 2, lattice.span[1] // 2),
        dilation=(lattice.dilation[0], lattice.dilation[1]),
        groups=4,
        bias=False,
    )
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(3, 4, 9, 10)
    outcomes = layer(x), plain(x)
    torch.testing.assert_close(*outcomes, atol=1e-5, rtol=1e-5)
    gradients = [
        torch.autograd.grad(outcome.square().sum(), one.weight)[0]
        for outcome, one in zip(outcomes, (layer, plain), strict=True)
    ]
    torch.testing.assert_close(*gradients, atol=1e-3, rtol=1e-4)
