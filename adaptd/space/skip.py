"""Operations that do nothing: `skip` hands its input on, `none` hands on zeros."""
# ruff: noqa: ARG002 - what one operation needs of its site another one does not

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.layers import norm, pointwise
from adaptd.space.operation import Operation, operation
from adaptd.space.site import Site


@operation("skip")
@dataclass(frozen=True)
class Skip(Operation):
    """What enters leaves; where the stride is not 1, a factorised reduction instead.

    Unlike `identity`, which merges with depthwise kernels, it has no ReLU before and no pointwise
    convolution and norm after it at stride 1.
    """

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite)

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        if site.stride == 1:
            return nn.Identity()
        return FactorisedReduction(
            site.dimensions, site.channels, site.channels, stride=site.stride
        )

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        assert isinstance(site, CellSite)
        return 0 if site.stride == 1 else site.outputs(shape) * site.channels**2


@operation("none")
@dataclass(frozen=True)
class Nothing(Operation):
    """Zeros: the edge is not there. Unlike `zero` it leaves no shift of a norm."""

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite)

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        return Zeros(site.stride)

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        return 0


class FactorisedReduction(nn.Module):
    """Half of the outputs see the even positions of each axis, the other half the odd ones.

    ReLU, two pointwise convolutions with a stride, one of them half a stride further, batch norm.
    Source: Zoph et al. 2018, "NASNet"; Liu et al. 2019, "DARTS".
    """

    def __init__(self, dimensions: int, inputs: int, outputs: int, *, stride: int = 2) -> None:
        super().__init__()
        self.stride = stride
        self.even = pointwise(dimensions, inputs, outputs - outputs // 2, stride=stride)
        # A single channel has no other half.
        self.odd = (
            pointwise(dimensions, inputs, outputs // 2, stride=stride) if outputs > 1 else None
        )
        self.norm = norm(dimensions, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, inputs, *axes] -> float [n, outputs, *axes / stride], rounded up."""
        active = functional.relu(x)
        halves = [self.even(active)]
        if self.odd is not None:
            shift = self.stride // 2
            shifted = active[..., shift:] if x.ndim == 3 else active[..., shift:, shift:]
            # An axis whose length the stride does not divide may lack the last position.
            missing = [
                (wanted - 1) * self.stride + 1 - there
                for wanted, there in zip(halves[0].shape[2:], shifted.shape[2:], strict=True)
            ]
            if max(missing) > 0:
                pads = [pad for short in reversed(missing) for pad in (0, max(0, short))]
                shifted = functional.pad(shifted, pads)
            halves.append(self.odd(shifted))
        normalised: Tensor = self.norm(torch.cat(halves, 1))
        return normalised


class Zeros(nn.Module):
    """As many zeros as the stride leaves."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> zeros, each axis divided by the stride."""
        step = self.stride
        return torch.zeros_like(x[..., ::step] if x.ndim == 3 else x[..., ::step, ::step])
