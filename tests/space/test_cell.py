"""An edge between two nodes of a cell."""
# ruff: noqa: ARG002 - operations that stand anywhere

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from adaptd.space.cell import CellSite
from adaptd.space.kernels import Depthwise
from adaptd.space.operation import Operation, operation, parse_operation
from adaptd.space.placed import Placed
from adaptd.space.separable import Separable
from adaptd.space.site import Site


@operation("test-only-relu")
@dataclass(frozen=True)
class OnlyRelu(Operation):
    """Nothing linear."""

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite)

    def build(self, site: Site) -> nn.Module:
        return nn.ReLU()


@pytest.mark.parametrize(("dimensions", "channels", "stride"), [(3, 4, 1), (1, 0, 1), (1, 4, 0)])
def test_impossible_sites_cannot_be_made(dimensions: int, channels: int, stride: int) -> None:
    with pytest.raises(ValueError, match="no such site"):
        CellSite(dimensions, channels, stride)


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("text", ["dw k5 d1", "dw k3 d4", "avg k3", "identity", "zero"])
def test_every_operation_keeps_the_channels_and_divides_the_axes(
    dimensions: int, stride: int, text: str
) -> None:
    site = CellSite(dimensions, 4, stride)
    shape = (4, *(11, 8)[:dimensions])
    outcome = site.place(parse_operation(text))(torch.randn(2, *shape))
    assert outcome.shape == (2, 4, *(-(-length // stride) for length in shape[1:]))
    assert outcome[0, 0].numel() == site.outputs(shape)


def test_a_placed_operation_knows_where_it_stands_and_what_it_is() -> None:
    site = CellSite(1, 4)
    linear, other = site.place(Depthwise(3)), site.place(OnlyRelu())
    assert isinstance(linear, Separable)
    assert isinstance(other, Placed)
    assert (linear.site, linear.operation) == (site, Depthwise(3))
    assert (other.site, other.operation) == (site, OnlyRelu())
    assert "test-only-relu" in repr(other)
    x = torch.randn(2, 4, 5)
    torch.testing.assert_close(other(x), x.relu())


def test_the_frame_of_an_edge_is_its_very_parts() -> None:
    site = CellSite(2, 4)
    module = site.place(Depthwise(3))
    assert isinstance(module, Separable)
    frame = site.frame_of(module)
    assert frame.pointwise is module.pointwise
    assert frame.norm is module.norm
    assert site.kernel_module_of(module) is module.depthwise


def test_what_is_not_linear_has_no_frame() -> None:
    site = CellSite(1, 4)
    with pytest.raises(TypeError, match="expected a Separable, got Placed"):
        site.frame_of(site.place(OnlyRelu()))
