"""`mbconv`: the inverted residual block, e.g. `mbconv k5 e3 se`."""

from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.layers import depthwise, norm, pointwise, pooled
from adaptd.space.operation import Operation, operation
from adaptd.space.site import Site

# Channels squeeze-excite has inside, as one over the part of the block's own: Tan et al. 2019.
_SQUEEZE = 4


@operation("mbconv")
@dataclass(frozen=True)
class InvertedResidual(Operation):
    """Pointwise to more channels, depthwise, pointwise back without activation; plus the input.

    taps: of the depthwise part, odd. expansion: factor to the channels between, >= 1; at 1 there is
    no first part. se: whether squeeze-excite weighs the channels between. The input is added where
    the stride is 1. Raises ValueError for other values.
    Sources: Sandler et al. 2018, "MobileNetV2"; Hu et al. 2018, "Squeeze-and-excitation networks";
    Tan et al. 2019, "MnasNet".
    """

    taps: int = field(metadata={"letter": "k"})
    expansion: int = field(metadata={"letter": "e"})
    se: bool = False

    def __post_init__(self) -> None:
        if self.taps < 1 or self.taps % 2 == 0:
            raise ValueError(f"taps must be odd and at least 1, got {self.taps}")
        if self.expansion < 1:
            raise ValueError(f"expansion must be at least 1, got {self.expansion}")

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite)

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        return InvertedBlock(site, self)

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        assert isinstance(site, CellSite)
        inner, outputs = site.channels * self.expansion, site.outputs(shape)
        expand = prod(shape[1:]) * site.channels * inner if self.expansion > 1 else 0
        squeeze = 2 * inner * squeezed(site.channels) if self.se else 0
        return (
            expand + squeeze + outputs * inner * (int(self.taps**site.dimensions) + site.channels)
        )


def squeezed(channels: int) -> int:
    """How many channels squeeze-excite has inside, in a block of so many."""
    return max(1, channels // _SQUEEZE)


class InvertedBlock(nn.Module):
    """Parts have the same names whatever the operation, so that one block inherits of another."""

    def __init__(self, site: CellSite, operation: InvertedResidual) -> None:
        super().__init__()
        channels, inner = site.channels, site.channels * operation.expansion
        self.is_residual = site.stride == 1
        self.expand = (
            nn.Sequential(
                pointwise(site.dimensions, channels, inner), norm(site.dimensions, inner), nn.ReLU()
            )
            if operation.expansion > 1
            else nn.Identity()
        )
        self.depthwise = nn.Sequential(
            depthwise(site.dimensions, inner, operation.taps, stride=site.stride),
            norm(site.dimensions, inner),
            nn.ReLU(),
        )
        self.excite = Excitation(inner, squeezed(channels)) if operation.se else nn.Identity()
        self.project = nn.Sequential(
            pointwise(site.dimensions, inner, channels), norm(site.dimensions, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> the same, each axis divided by the stride."""
        projected: Tensor = self.project(self.excite(self.depthwise(self.expand(x))))
        return x + projected if self.is_residual else projected


class Excitation(nn.Module):
    """Weighs each channel by a gate in (0, 1) that sees the means of all.

    Source: Hu et al. 2018, "Squeeze-and-excitation networks".
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, squeezed)
        self.excite = nn.Linear(squeezed, channels)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> the same shape."""
        gate = torch.sigmoid(self.excite(functional.relu(self.squeeze(pooled(x)))))
        return x * gate[(..., *(None,) * (x.ndim - 2))]
