"""What stands on an edge of a cell."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.kernels import Depthwise
from adaptd.space.separable import Separable


@pytest.mark.parametrize("dimensions", [1, 2])
def test_an_edge_is_relu_depthwise_pointwise_norm(dimensions: int) -> None:
    edge = CellSite(dimensions, 4).place(Depthwise(3, 2))
    assert isinstance(edge, Separable)
    x = torch.randn(5, 4, *(16,) * dimensions, generator=torch.Generator().manual_seed(0))
    convolution = functional.conv1d if dimensions == 1 else functional.conv2d
    weight = edge.depthwise.get_parameter("weight")
    convolved = convolution(x.relu(), weight, padding=2, dilation=2, groups=4)
    norm = nn.BatchNorm1d(4) if dimensions == 1 else nn.BatchNorm2d(4)
    expected = norm(convolution(convolved, edge.pointwise.get_parameter("weight")))
    torch.testing.assert_close(edge(x), expected, atol=1e-5, rtol=1e-5)
    assert (edge.site, edge.operation) == (CellSite(dimensions, 4), Depthwise(3, 2))
