"""`nor_conv`: a dense convolution on the edge of a cell, as NAS-Bench-201 has it."""

from collections import OrderedDict
from dataclasses import dataclass, field

from torch import nn

from adaptd.space.cell import CellSite
from adaptd.space.layers import dense, norm
from adaptd.space.operation import Operation, operation
from adaptd.space.site import Site


@operation("nor_conv")
@dataclass(frozen=True)
class NormedConvolution(Operation):
    """ReLU, convolution over all channels, batch norm.

    taps: along each axis, odd, >= 1. Raises ValueError for others.
    Source: Dong & Yang 2020, "NAS-Bench-201".
    """

    taps: int = field(metadata={"letter": "k"})

    def __post_init__(self) -> None:
        if self.taps < 1 or self.taps % 2 == 0:
            raise ValueError(f"taps must be odd and at least 1, got {self.taps}")

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite)

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        return normed_convolution(
            site.dimensions, site.channels, site.channels, self.taps, stride=site.stride
        )

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        assert isinstance(site, CellSite)
        return site.outputs(shape) * site.channels**2 * int(self.taps**site.dimensions)


def normed_convolution(
    dimensions: int, inputs: int, outputs: int, taps: int, *, stride: int = 1
) -> nn.Sequential:
    """ReLU, convolution, batch norm: float [n, inputs, *axes] -> float [n, outputs, *axes'], each
    axis divided by the stride, rounded up."""
    # Named, so that what another operation holds at the same place is not taken for the same.
    return nn.Sequential(
        OrderedDict(
            activation=nn.ReLU(),
            convolution=dense(dimensions, inputs, outputs, taps, stride=stride),
            norm=norm(dimensions, outputs),
        )
    )
