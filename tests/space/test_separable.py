"""What stands on an edge."""

import torch
from torch import nn
from torch.nn import functional

from adaptd.space.operation import Depthwise
from adaptd.space.separable import SeparableConv1d


def test_an_edge_is_relu_depthwise_pointwise_norm() -> None:
    edge = SeparableConv1d(4, Depthwise(3, 2))
    x = torch.randn(5, 4, 16, generator=torch.Generator().manual_seed(0))
    convolved = functional.conv1d(x.relu(), edge.depthwise.weight, padding=2, dilation=2, groups=4)
    expected = nn.BatchNorm1d(4)(functional.conv1d(convolved, edge.pointwise.weight))
    torch.testing.assert_close(edge(x), expected, atol=1e-5, rtol=1e-5)
    assert (edge.channels, edge.operation) == (4, Depthwise(3, 2))
