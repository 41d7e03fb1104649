"""A convolution layer of any network as an edge: its kernel and dilation can change."""
# ruff: noqa: ARG002 - what one operation needs of its site another one does not

from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn

from adaptd.space.factors import nearest_factors
from adaptd.space.lattice import Lattice, Support
from adaptd.space.operation import FreeOperation, LinearOperation, operation
from adaptd.space.remade import convolution
from adaptd.space.site import Frame, Site

_LAYERS: dict[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}


@dataclass(frozen=True)
class ConvSite(Site):
    """float [n, inputs, *axes] in, float [n, outputs, *axes'] out, zeros beyond the ends.

    stride, slack, is_even: one an axis. slack: samples of padding beyond half of the kernel's
    span, negative for "valid" ones; it stays whatever the kernel, so that the outcome's shape
    stays. is_even: whether the kernel's span is an odd number of samples, so that it has no
    middle tap. bias: whether one is added.
    """

    inputs: int
    outputs: int
    groups: int
    stride: tuple[int, ...]
    slack: tuple[int, ...]
    is_even: tuple[bool, ...]
    bias: bool

    @classmethod
    def of(cls, layer: nn.Conv1d | nn.Conv2d) -> "ConvSite":
        """Where the layer stands. Raises ValueError for padding other than zeros."""
        if layer.padding_mode != "zeros":
            raise ValueError(f"padding mode {layer.padding_mode!r} cannot be merged")
        spans = [
            distance * (taps - 1)
            for taps, distance in zip(layer.kernel_size, layer.dilation, strict=True)
        ]
        match layer.padding:
            case "valid":
                padding: tuple[int, ...] = (0,) * len(spans)
            case "same":
                if any(span % 2 for span in spans):
                    raise ValueError("'same' padding of an even kernel is not symmetric")
                padding = tuple(span // 2 for span in spans)
            case tuple(numbers):
                padding = numbers
        return cls(
            inputs=layer.in_channels,
            outputs=layer.out_channels,
            groups=layer.groups,
            stride=tuple(layer.stride),
            slack=tuple(pad - span // 2 for pad, span in zip(padding, spans, strict=True)),
            is_even=tuple(span % 2 == 1 for span in spans),
            bias=layer.bias is not None,
        )

    @property
    def axes(self) -> int:
        return len(self.stride)

    def admits(self, lattice: Lattice) -> bool:
        """Whether a kernel with these taps gives the same outcome's shape, without cropping."""
        return all(
            (span % 2 == 1) == even and slack + span // 2 >= 0
            for span, even, slack in zip(lattice.span, self.is_even, self.slack, strict=True)
        )

    def layer(
        self,
        lattice: Lattice,
        *,
        inputs: int | None = None,
        outputs: int | None = None,
        groups: int,
    ) -> nn.Conv1d | nn.Conv2d:
        """A fresh layer without bias that reads the site's input."""
        return _LAYERS[self.axes](
            inputs or self.inputs,
            outputs or self.outputs,
            lattice.taps,  # type: ignore[arg-type]
            stride=self.stride,  # type: ignore[arg-type]
            padding=tuple(  # type: ignore[arg-type]
                slack + span // 2 for slack, span in zip(self.slack, lattice.span, strict=True)
            ),
            dilation=lattice.dilation,  # type: ignore[arg-type]
            groups=groups,
            bias=False,
        )

    def pointwise(self, inputs: int, outputs: int) -> nn.Conv1d | nn.Conv2d:
        """A fresh layer of one tap without bias."""
        return _LAYERS[self.axes](inputs, outputs, 1, bias=False)

    def fresh_frame(self) -> "ConvFrame":
        if not self.bias:
            return ConvFrame(self, None)
        bound = (self.groups / self.inputs) ** 0.5
        return ConvFrame(self, nn.Parameter(torch.empty(self.outputs).uniform_(-bound, bound)))

    def frame_of(self, module: nn.Module) -> "ConvFrame":
        bias = getattr(_last(module), "bias", None)
        return ConvFrame(self, bias)

    def kernel_module_of(self, module: nn.Module) -> nn.Module:
        return module

    def positions(self, shape: tuple[int, ...]) -> int:
        """Positions that leave for each channel when [inputs, *axes] enters."""
        return prod(
            (length + 2 * slack - (1 if even else 0) - 1) // step + 1
            for length, slack, even, step in zip(
                shape[1:], self.slack, self.is_even, self.stride, strict=True
            )
        )


class ConvFrame(Frame):
    """The bias."""

    def __init__(self, site: ConvSite, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.site = site
        self.bias = bias

    def forward(self, x: Tensor, kernel: Tensor, support: Support) -> Tensor:
        site = self.site
        outcome = convolution(
            x, kernel, support, stride=site.stride, slack=site.slack, groups=site.groups
        )
        return outcome if self.bias is None else outcome + self.bias.view(-1, *(1,) * site.axes)

    def assemble(self, operation: LinearOperation, kernel_module: nn.Module) -> nn.Module:
        last = _last(kernel_module)
        last.register_parameter("bias", self.bias)
        return kernel_module


def lattice_at(site: Site, taps: tuple[int, ...], dilation: tuple[int, ...]) -> Lattice:
    """One number stands for all axes. Raises ValueError for numbers of other axes."""
    return Lattice(
        taps * site.axes if len(taps) == 1 else taps,
        dilation * site.axes if len(dilation) == 1 else dilation,
    )


class _Kernel(LinearOperation):
    """What the operations of a convolution layer have in common: taps and dilation."""

    taps: tuple[int, ...]
    dilation: tuple[int, ...]

    def _normalise(self) -> None:
        for name in ("taps", "dilation"):
            numbers = getattr(self, name)
            if not numbers or min(numbers) < 1:
                raise ValueError(f"{name} must be at least 1, got {numbers}")
            if len(set(numbers)) == 1:
                # One text for one operation: k3, never k3x3.
                object.__setattr__(self, name, numbers[:1])

    def fits(self, site: Site) -> bool:
        if not isinstance(site, ConvSite) or not {len(self.taps), len(self.dilation)} <= {
            1,
            site.axes,
        }:
            return False
        return site.admits(self.lattice(site))

    def lattice(self, site: Site) -> Lattice:
        return lattice_at(site, self.taps, self.dilation)


@operation("conv")
@dataclass(frozen=True)
class Convolution(_Kernel, FreeOperation):
    """A convolution with the site's channels, groups and stride: `conv k3 d1`, `conv k1x7 d1`."""

    taps: tuple[int, ...] = field(metadata={"letter": "k"})
    dilation: tuple[int, ...] = field(default=(1,), metadata={"letter": "d"})

    def __post_init__(self) -> None:
        self._normalise()

    @classmethod
    def of(cls, layer: nn.Conv1d | nn.Conv2d) -> "Convolution":
        """What the layer is."""
        return cls(tuple(layer.kernel_size), tuple(layer.dilation))

    def kernel_module(self, site: Site) -> nn.Module:
        assert isinstance(site, ConvSite)
        return site.layer(self.lattice(site), groups=site.groups)

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        assert isinstance(site, ConvSite)
        read = self.lattice(site).count * site.inputs // site.groups
        return site.positions(shape) * read * site.outputs

    def grown(self) -> "Convolution":
        return Convolution(
            tuple(taps + 2 if taps > 1 else taps for taps in self.taps), self.dilation
        )


@operation("sepconv")
@dataclass(frozen=True)
class SeparableConvolution(_Kernel):
    """A depthwise kernel, then a pointwise convolution, with nothing between: for dense layers.

    Together they are one dense kernel of rank one for each input channel, so it merges with them.
    Source: Sifre 2014; Chollet 2017, "Xception".
    """

    taps: tuple[int, ...] = field(metadata={"letter": "k"})
    dilation: tuple[int, ...] = field(default=(1,), metadata={"letter": "d"})

    def __post_init__(self) -> None:
        self._normalise()

    def fits(self, site: Site) -> bool:
        return super().fits(site) and isinstance(site, ConvSite) and site.groups == 1

    def kernel_module(self, site: Site) -> nn.Module:
        assert isinstance(site, ConvSite)
        depthwise = site.layer(self.lattice(site), outputs=site.inputs, groups=site.inputs)
        return nn.Sequential(depthwise, site.pointwise(site.inputs, site.outputs))

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        assert isinstance(site, ConvSite)
        return site.positions(shape) * site.inputs * (self.lattice(site).count + site.outputs)

    def kernel(self, site: Site, module: nn.Module) -> Tensor:
        depthwise, pointwise = _pair(module)
        return pointwise.weight.flatten(1).unsqueeze(2) * depthwise.weight.flatten(1).unsqueeze(0)

    def project(self, site: Site, module: nn.Module, kernel: Tensor) -> None:
        depthwise, pointwise = _pair(module)
        left, right = nearest_factors(kernel.transpose(0, 1), rank=1)
        with torch.no_grad():
            pointwise.weight.copy_(left.squeeze(2).t().reshape(pointwise.weight.shape))
            depthwise.weight.copy_(right.reshape(depthwise.weight.shape))


@operation("lowconv")
@dataclass(frozen=True)
class LowRankConvolution(_Kernel):
    """A convolution to `rank` channels, then a pointwise one to all: for dense layers.

    Source: Zhang et al. 2016, "Accelerating very deep convolutional networks".
    """

    rank: int = field(metadata={"letter": "r"})
    taps: tuple[int, ...] = field(metadata={"letter": "k"})
    dilation: tuple[int, ...] = field(default=(1,), metadata={"letter": "d"})

    def __post_init__(self) -> None:
        self._normalise()
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, got {self.rank}")

    def fits(self, site: Site) -> bool:
        if not super().fits(site) or not isinstance(site, ConvSite) or site.groups != 1:
            return False
        return self.rank < min(site.outputs, site.inputs * self.lattice(site).count)

    def kernel_module(self, site: Site) -> nn.Module:
        assert isinstance(site, ConvSite)
        narrow = site.layer(self.lattice(site), outputs=self.rank, groups=1)
        return nn.Sequential(narrow, site.pointwise(self.rank, site.outputs))

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        assert isinstance(site, ConvSite)
        read = self.lattice(site).count * site.inputs
        return site.positions(shape) * self.rank * (read + site.outputs)

    def kernel(self, site: Site, module: nn.Module) -> Tensor:
        narrow, wide = _pair(module)
        product = wide.weight.flatten(1) @ narrow.weight.flatten(1)
        return product.view(len(wide.weight), narrow.in_channels, -1)

    def project(self, site: Site, module: nn.Module, kernel: Tensor) -> None:
        narrow, wide = _pair(module)
        left, right = nearest_factors(kernel.flatten(1), rank=self.rank)
        with torch.no_grad():
            wide.weight.copy_(left.reshape(wide.weight.shape))
            narrow.weight.copy_(right.reshape(narrow.weight.shape))


def _pair(module: nn.Module) -> tuple[nn.Conv1d | nn.Conv2d, nn.Conv1d | nn.Conv2d]:
    first, second = module.children()
    if not isinstance(first, nn.Conv1d | nn.Conv2d) or not isinstance(
        second, nn.Conv1d | nn.Conv2d
    ):
        raise TypeError(f"expected two convolutions, got {module}")
    return first, second


def _last(module: nn.Module) -> nn.Module:
    return module[-1] if isinstance(module, nn.Sequential) else module
