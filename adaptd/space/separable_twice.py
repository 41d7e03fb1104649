"""`sep_conv`: two separable convolutions in a row, as DARTS has them."""

from collections import OrderedDict
from dataclasses import dataclass, field

from torch import nn

from adaptd.space.cell import CellSite
from adaptd.space.layers import depthwise, norm, pointwise
from adaptd.space.operation import Operation, operation
from adaptd.space.site import Site


@operation("sep_conv")
@dataclass(frozen=True)
class SeparableTwice(Operation):
    """Twice: ReLU, depthwise, pointwise, batch norm; the stride is that of the first.

    An activation stands between the two kernels, so it does not merge. taps: odd, >= 1. Raises
    ValueError for others. Source: Liu et al. 2019, "DARTS".
    """

    taps: int = field(metadata={"letter": "k"})

    def __post_init__(self) -> None:
        if self.taps < 1 or self.taps % 2 == 0:
            raise ValueError(f"taps must be odd and at least 1, got {self.taps}")

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite)

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        dimensions, channels = site.dimensions, site.channels
        return nn.Sequential(
            *(
                nn.Sequential(
                    OrderedDict(
                        activation=nn.ReLU(),
                        depthwise=depthwise(dimensions, channels, self.taps, stride=stride),
                        pointwise=pointwise(dimensions, channels, channels),
                        norm=norm(dimensions, channels),
                    )
                )
                for stride in (site.stride, 1)
            )
        )

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        assert isinstance(site, CellSite)
        taps = int(self.taps**site.dimensions)
        return 2 * site.outputs(shape) * site.channels * (taps + site.channels)
