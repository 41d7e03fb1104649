"""Pooling by itself, outside the frame that linear operations share: `maxpool k3`, `avgpool k3`."""
# ruff: noqa: ARG002 - what one operation needs of its site another one does not

from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.max_pool import max_pool
from adaptd.space.operation import Operation, operation
from adaptd.space.site import Site


class _Pool(Operation):
    """Neither activation nor norm nor parameter: what a network keeps of it after a search.

    Published supernets (Liu et al. 2019) put a batch norm behind each pool which the network they
    derive does not have; here both are the same module, and nothing jumps on the way back.
    """

    taps: int

    def __post_init__(self) -> None:
        if self.taps < 3 or self.taps % 2 == 0:
            raise ValueError(f"taps must be odd and at least 3, got {self.taps}")

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite)

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        return 0


@operation("maxpool")
@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest of so many samples along each axis. Not linear, so a branch of its own."""

    taps: int = field(default=3, metadata={"letter": "k"})

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        return MaxPooling(self.taps, site.stride)


@operation("avgpool")
@dataclass(frozen=True)
class PlainAveragePool(_Pool):
    """The mean over so many samples along each axis, of those within the ends.

    Unlike `avg`, which merges with depthwise kernels, it has no ReLU before and no pointwise
    convolution and norm after it: the average pooling of DARTS and NAS-Bench-201.
    """

    taps: int = field(default=3, metadata={"letter": "k"})

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        return AveragePooling(self.taps, site.stride)


class MaxPooling(nn.Module):
    """`max_pool` as a module."""

    def __init__(self, taps: int, stride: int) -> None:
        super().__init__()
        self.taps, self.stride = taps, stride

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> the same, each axis divided by the stride."""
        return max_pool(x, self.taps, self.stride)

    def extra_repr(self) -> str:
        return f"{self.taps}, stride={self.stride}"


class AveragePooling(nn.Module):
    """The mean of the samples within the ends."""

    def __init__(self, taps: int, stride: int) -> None:
        super().__init__()
        self.taps, self.stride = taps, stride

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> the same, each axis divided by the stride."""
        pool = functional.avg_pool1d if x.ndim == 3 else functional.avg_pool2d
        return pool(x, self.taps, self.stride, self.taps // 2, count_include_pad=False)

    def extra_repr(self) -> str:
        return f"{self.taps}, stride={self.stride}"
