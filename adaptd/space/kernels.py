"""Linear operations on the edges of a cell: depthwise kernels, average pooling, identity, zero."""
# ruff: noqa: ARG002 - what one operation needs of its site another one does not

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.depthwise import DepthwiseConv1d
from adaptd.space.depthwise_image import DepthwiseConv2d
from adaptd.space.feature import FeatureSite
from adaptd.space.lattice import Lattice
from adaptd.space.operation import FreeOperation, LinearOperation, operation
from adaptd.space.site import Site


def square(site: Site, taps: int, dilation: int = 1) -> Lattice:
    """The same taps along each axis of the site."""
    return Lattice((taps,) * site.axes, (dilation,) * site.axes)


@operation("dw")
@dataclass(frozen=True, order=True)
class Depthwise(FreeOperation):
    """A separable convolution whose depthwise part has so many taps, so far apart, along each axis.

    taps: odd, >= 1, so that the kernel has a middle. dilation: samples between two taps, >= 1.
    Raises ValueError for anything else.
    """

    taps: int = field(metadata={"letter": "k"})
    dilation: int = field(default=1, metadata={"letter": "d"})

    def __post_init__(self) -> None:
        if self.taps < 1 or self.taps % 2 == 0:
            raise ValueError(f"taps must be odd and at least 1, got {self.taps}")
        if self.dilation < 1:
            raise ValueError(f"dilation must be at least 1, got {self.dilation}")

    @property
    def reach(self) -> int:
        """Samples from the middle tap to the outermost."""
        return self.dilation * (self.taps // 2)

    def grown(self) -> "Depthwise":
        return Depthwise(self.taps + 2, self.dilation)

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite)

    def lattice(self, site: Site) -> Lattice:
        return square(site, self.taps, self.dilation)

    def kernel_module(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        layer = DepthwiseConv1d if site.dimensions == 1 else DepthwiseConv2d
        return layer(site.channels, self.lattice(site), stride=site.stride)

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        assert isinstance(site, CellSite)
        read = self.lattice(site).count + site.channels
        return site.outputs(shape) * site.channels * read


class FixedKernel(nn.Module):
    """The same constant depthwise kernel for each channel."""

    weight: Tensor

    def __init__(self, site: CellSite, lattice: Lattice, value: float) -> None:
        super().__init__()
        self.stride, self.reach, self.channels = site.stride, lattice.reach, site.channels
        weight = torch.full((site.channels, 1, *lattice.taps), value)
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> the same, each axis divided by the stride."""
        convolution = functional.conv1d if x.ndim == 3 else functional.conv2d
        return convolution(
            x, self.weight, stride=self.stride, padding=self.reach, groups=self.channels
        )


class FixedMatrix(nn.Module):
    """Every feature times one constant."""

    weight: Tensor

    def __init__(self, features: int, value: float) -> None:
        super().__init__()
        self.value = value
        matrix = value * torch.eye(features).unsqueeze(2)
        self.register_buffer("weight", matrix, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, features] -> the same shape."""
        return x * self.value


class FixedOperation(LinearOperation):
    """One without a parameter of its own."""

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite)

    @abstractmethod
    def value(self, site: Site) -> float:
        """Of each tap."""

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        """Those of the pointwise part: a mean is counted no more than torch's pooling is."""
        if isinstance(site, FeatureSite):
            return 0
        assert isinstance(site, CellSite)
        return site.outputs(shape) * site.channels**2

    def kernel_module(self, site: Site) -> nn.Module:
        if isinstance(site, FeatureSite):
            return FixedMatrix(site.features, self.value(site))
        assert isinstance(site, CellSite)
        return FixedKernel(site, self.lattice(site), self.value(site))

    def kernel(self, site: Site, module: nn.Module) -> Tensor:
        weight = module.get_buffer("weight")
        return weight.flatten(2)

    def project(self, site: Site, module: nn.Module, kernel: Tensor) -> None:
        """Nothing to set."""


@operation("avg")
@dataclass(frozen=True)
class AveragePool(FixedOperation):
    """The mean over so many samples along each axis, zeros beyond the ends counted."""

    taps: int = field(default=3, metadata={"letter": "k"})

    def __post_init__(self) -> None:
        if self.taps < 3 or self.taps % 2 == 0:
            raise ValueError(f"taps must be odd and at least 3, got {self.taps}")

    def lattice(self, site: Site) -> Lattice:
        return square(site, self.taps)

    def value(self, site: Site) -> float:
        return 1 / self.lattice(site).count


@operation("identity")
@dataclass(frozen=True)
class Identity(FixedOperation):
    """No kernel: what the site's operations share, alone."""

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite | FeatureSite)

    def lattice(self, site: Site) -> Lattice:
        return square(site, 1)

    def value(self, site: Site) -> float:
        return 1.0


@operation("zero")
@dataclass(frozen=True)
class Zero(FixedOperation):
    """Nothing passes but the norm's shift."""

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite | FeatureSite)

    def lattice(self, site: Site) -> Lattice:
        return square(site, 1)

    def value(self, site: Site) -> float:
        return 0.0
