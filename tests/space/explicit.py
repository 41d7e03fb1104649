"""Open edges, and what they must compute: each candidate by torch itself, weighed and summed."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.convolution import ConvSite
from adaptd.space.edges import Edge
from adaptd.space.lattice import Lattice
from adaptd.space.linear import LinearSite
from adaptd.space.mixed import MixedEdge
from adaptd.space.operation import parse_operation
from adaptd.space.relaxation import MERGED, Relaxation
from adaptd.space.site import Site


def opened(
    site: Site,
    deployed: str,
    candidates: Sequence[str],
    *,
    logits: Sequence[float] | None = None,
    relaxation: Relaxation = MERGED,
    noise: float = 0.3,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> MixedEdge:
    """An edge of fresh weights, open to the candidates; logits: random if None."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = site.place(parse_operation(deployed)).to(dtype)
        alpha = torch.randn(len(candidates)) if logits is None else torch.tensor(logits)
        return MixedEdge(
            Edge("edge", site, parse_operation(deployed)),
            module,
            tuple(map(parse_operation, candidates)),
            nn.Parameter(alpha.to(dtype)),
            relaxation=relaxation,
            noise=noise,
            generator=generator,
            draws=random.Random(seed),
        )


def weighted_sum(mixed: MixedEdge, x: Tensor) -> Tensor:
    """Of the linear candidates, none of them merged with another."""
    site, kernel, frame = mixed.edge.site, mixed.kernel, mixed.frame
    assert kernel is not None
    assert frame is not None
    entered = x.relu() if isinstance(site, CellSite) else x
    structured = iter(kernel.structured)
    of_free = iter(() if kernel.kernels is None else kernel.kernels)
    weights = functional.softmax(mixed.alpha, 0)
    parts = []
    for weight, operation in zip(weights, kernel.operations, strict=True):
        if not operation.is_free:
            parts.append(weight * next(structured)(entered))
            continue
        lattice = operation.lattice(site)
        places = [kernel.support.positions.index(position) for position in lattice.positions]
        parts.append(weight * _layer(site, entered, next(of_free)[:, :, places], lattice))
    total = torch.stack(parts).sum(0)
    if isinstance(site, CellSite):
        normalised: Tensor = frame.get_submodule("norm")(frame.get_submodule("pointwise")(total))
        return normalised
    if frame.bias is None:
        return total
    assert isinstance(frame.bias, Tensor)
    return total + (frame.bias if site.axes == 0 else frame.bias.view(-1, *(1,) * site.axes))


def _layer(site: Site, x: Tensor, kernel: Tensor, lattice: Lattice) -> Tensor:
    """torch's own layer with this kernel, [outputs, inputs / groups, taps]."""
    if isinstance(site, LinearSite):
        return functional.linear(x, kernel.squeeze(2))
    slack, stride, groups = (0,) * site.axes, (1,) * site.axes, 1
    if isinstance(site, CellSite):
        stride, groups = (site.stride,) * site.axes, site.channels
    elif isinstance(site, ConvSite):
        slack, stride, groups = site.slack, site.stride, site.groups
    convolution = functional.conv1d if site.axes == 1 else functional.conv2d
    padding = [extra + span // 2 for extra, span in zip(slack, lattice.span, strict=True)]
    return convolution(
        x,
        kernel.reshape(*kernel.shape[:2], *lattice.taps),
        stride=stride,
        padding=padding,
        dilation=lattice.dilation,
        groups=groups,
    )
