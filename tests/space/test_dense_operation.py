"""The dense convolution of NAS-Bench-201."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.operation import parse_operation


@pytest.mark.parametrize("taps", [1, 3])
def test_it_is_relu_then_convolution_then_norm(taps: int) -> None:
    module = CellSite(2, 4, 2).place(parse_operation(f"nor_conv k{taps}"))
    weight = module.get_parameter("body.convolution.weight")
    assert weight.shape == (4, 4, taps, taps)
    x = torch.randn(8, 4, 7, 7)
    convolved = functional.conv2d(x.relu(), weight, stride=2, padding=taps // 2)
    torch.testing.assert_close(module(x), nn.BatchNorm2d(4)(convolved), atol=1e-5, rtol=1e-5)
