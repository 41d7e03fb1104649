"""`gridding_limit`: not all kernels of a network may be dilated."""

from collections.abc import Iterator

from torch import nn

from adaptd.search.limit import Limit
from adaptd.search.problem import Problem
from adaptd.space import Edge, LinearOperation, parse_operation
from adaptd.space.lattice import Lattice

# What lies between the taps of one kernel, another one may fill.
_FEWEST = 2


def gridding_limit(problem: Problem) -> Limit | None:
    """That one of the open kernels stays dense, where otherwise none would be.

    Were all dilated, say by four, an outcome would see but one of four samples, and neighbours
    nothing of each other ("gridding"). Alphas do not tell: the mixture they are learnt in has dense
    kernels as well. None where a kernel that is not open is dense, where none is that is deployed,
    and where there is one kernel alone.
    Sources: Yu et al. 2017, "Dilated residual networks"; Wang et al. 2018, "Understanding
    convolution for semantic segmentation" (hybrid dilated convolution).
    """
    open_edges = problem.reopening.candidates
    if any(_closed_and_dense(problem)):
        return None
    spatial = {
        name: problem.edges[name]
        for name, texts in open_edges.items()
        if any(_is_spatial(problem.edges[name], text) for text in texts)
    }
    is_dense = any(_is_dense(edge, str(edge.operation)) for edge in spatial.values())
    if not is_dense or len(spatial) < _FEWEST:
        return None
    counted = {
        name: frozenset(text for text in open_edges[name] if not _is_dense(edge, text))
        for name, edge in spatial.items()
    }
    return Limit(counted, len(spatial) - 1, "kernels with holes")


def _closed_and_dense(problem: Problem) -> Iterator[bool]:
    """Of every convolution that is no part of an open edge."""
    inside = tuple(f"{name}." for name in problem.reopening.candidates)
    for name, module in problem.network.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            is_open = name in problem.reopening.candidates or name.startswith(inside)
            # One that cuts records into patches lets no two of them see each other.
            sizes = zip(module.kernel_size, module.stride, strict=True)
            overlaps = any(taps > stride for taps, stride in sizes)
            yield not is_open and overlaps and max(module.dilation) == 1


def _is_spatial(edge: Edge, operation: str) -> bool:
    lattice = _lattice(edge, operation)
    return lattice is not None and lattice.count > 1


def _is_dense(edge: Edge, operation: str) -> bool:
    lattice = _lattice(edge, operation)
    if lattice is None:
        return False
    apart = (step for step, taps in zip(lattice.dilation, lattice.taps, strict=True) if taps > 1)
    return lattice.count > 1 and max(apart, default=1) == 1


def _lattice(edge: Edge, operation: str) -> Lattice | None:
    """None for what is no kernel."""
    parsed = parse_operation(operation)
    return parsed.lattice(edge.site) if isinstance(parsed, LinearOperation) else None
