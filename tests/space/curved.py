"""Operations that do not merge: `test-curved`, `test-dropping`, `test-max` on cells, `test-relu` on
layers."""

from dataclasses import dataclass

from torch import Tensor, nn

from adaptd.space.cell import CellSite
from adaptd.space.convolution import ConvSite
from adaptd.space.lattice import Lattice
from adaptd.space.linear import LinearSite
from adaptd.space.operation import Operation, operation
from adaptd.space.site import Site


class Curved(nn.Module):
    """Batch norm, tanh, convolution, dropout: nothing that merges."""

    def __init__(self, site: CellSite, drop: float) -> None:
        super().__init__()
        conv = nn.Conv1d if site.dimensions == 1 else nn.Conv2d
        norm = nn.BatchNorm1d if site.dimensions == 1 else nn.BatchNorm2d
        self.norm = norm(site.channels)
        self.conv = conv(site.channels, site.channels, 3, stride=site.stride, padding=1)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        outcome: Tensor = self.drop(self.conv(self.norm(x).tanh()))
        return outcome


class _OnCells(Operation):
    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite)


@operation("test-curved")
@dataclass(frozen=True)
class CurvedOperation(_OnCells):
    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        return Curved(site, 0.0)


@operation("test-dropping")
@dataclass(frozen=True)
class DroppingOperation(_OnCells):
    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        return Curved(site, 0.5)


@operation("test-max")
@dataclass(frozen=True)
class MaxPool(_OnCells):
    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        return (nn.MaxPool1d if site.dimensions == 1 else nn.MaxPool2d)(3, site.stride, 1)


@operation("test-relu")
@dataclass(frozen=True)
class ReluLayer(Operation):
    """A layer of as few taps as may be, then a ReLU."""

    def fits(self, site: Site) -> bool:
        return isinstance(site, LinearSite) or (isinstance(site, ConvSite) and min(site.slack) >= 0)

    def build(self, site: Site) -> nn.Module:
        if isinstance(site, LinearSite):
            return nn.Sequential(nn.Linear(site.inputs, site.outputs), nn.ReLU())
        assert isinstance(site, ConvSite)
        smallest = Lattice(tuple(2 if even else 1 for even in site.is_even), (1,) * site.axes)
        return nn.Sequential(site.layer(smallest, groups=site.groups), nn.ReLU())
