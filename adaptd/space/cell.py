"""`CellSite`: an edge between two nodes of a cell, which keeps the number of channels."""

from dataclasses import dataclass
from math import prod

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from adaptd.space.channel_major import ChannelNorm1d, PointwiseConv1d
from adaptd.space.convolve import convolve
from adaptd.space.lattice import Support
from adaptd.space.operation import LinearOperation, Operation
from adaptd.space.placed import Placed
from adaptd.space.separable import Separable
from adaptd.space.site import Frame, Site


@dataclass(frozen=True)
class CellSite(Site):
    """float [n, channels, *dimensions axes] in; the same out, each axis divided by the stride.

    dimensions: 1 for sequences, 2 for images. Its linear operations are depthwise kernels between
    one ReLU, one pointwise convolution and one batch norm. Raises ValueError for other values.
    """

    dimensions: int
    channels: int
    stride: int = 1

    def __post_init__(self) -> None:
        if self.dimensions not in (1, 2) or self.channels < 1 or self.stride < 1:
            raise ValueError(f"no such site: {self}")

    @property
    def axes(self) -> int:
        return self.dimensions

    def fresh_frame(self) -> "CellFrame":
        if self.dimensions == 1:
            return CellFrame(
                self,
                PointwiseConv1d(self.channels, self.channels),
                ChannelNorm1d(self.channels),
            )
        return CellFrame(
            self,
            nn.Conv2d(self.channels, self.channels, 1, bias=False),
            nn.BatchNorm2d(self.channels),
        )

    def frame_of(self, module: nn.Module) -> "CellFrame":
        if not isinstance(module, Separable):
            raise TypeError(f"expected a Separable, got {type(module).__name__}")
        return CellFrame(self, module.pointwise, module.norm)

    def kernel_module_of(self, module: nn.Module) -> nn.Module:
        if not isinstance(module, Separable):
            raise TypeError(f"expected a Separable, got {type(module).__name__}")
        return module.depthwise

    def place(self, operation: Operation) -> nn.Module:
        module = super().place(operation)
        return module if isinstance(module, Placed) else Placed(self, operation, module)

    def outputs(self, shape: tuple[int, ...]) -> int:
        """Positions that leave for each channel when [channels, *axes] enters."""
        return prod(-(-length // self.stride) for length in shape[1:])


class CellFrame(Frame):
    """ReLU before the kernel; pointwise convolution and batch norm after it."""

    def __init__(self, site: CellSite, pointwise: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.site = site
        self.pointwise = pointwise
        self.norm = norm

    def forward(self, x: Tensor, kernel: Tensor, support: Support) -> Tensor:
        normalised: Tensor = self.norm(self._convolved(x, kernel, support))
        return normalised

    def weighed(self, x: Tensor, kernel: Tensor, support: Support, weight: Tensor) -> Tensor:
        # As a factor to the norm's own, so that the outcome need not be kept for its gradient.
        scaled = {name: weight * one for name, one in self.norm.named_parameters()}
        normalised: Tensor = functional_call(
            self.norm, scaled, (self._convolved(x, kernel, support),)
        )
        return normalised

    def _convolved(self, x: Tensor, kernel: Tensor, support: Support) -> Tensor:
        convolved = convolve(
            functional.relu(x),
            kernel,
            support,
            stride=(self.site.stride,) * self.site.dimensions,
            slack=(0,) * self.site.dimensions,
            groups=self.site.channels,
        )
        mixed: Tensor = self.pointwise(convolved)
        return mixed

    def assemble(self, operation: LinearOperation, kernel_module: nn.Module) -> Separable:
        return Separable(
            self.site,
            operation,
            depthwise=kernel_module,
            pointwise=self.pointwise,
            norm=self.norm,
        )
