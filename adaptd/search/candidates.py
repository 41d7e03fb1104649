"""Which operations an edge may be reopened to, and which edges decide together."""

from collections.abc import Mapping

from adaptd.architecture import Architecture
from adaptd.space import (
    Depthwise,
    Edge,
    Operation,
    Reopening,
    architecture_edges,
    build,
    edge_shapes,
    parse_operation,
)
from adaptd.space.alternatives import candidates_for
from adaptd.space.cell import CellSite
from adaptd.space.feature import FeatureSite
from adaptd.space.spaces import SPACES

# Narrow, middle, wide, far. More dense candidates between them split the vote: on the streams
# tried, a larger set won on one and lost on others.
CANDIDATES = ("dw k3 d1", "dw k5 d1", "dw k9 d1", "dw k5 d4")

# In two dimensions taps cost their square: a 9 x 9 kernel alone is over most caps.
IMAGE_CANDIDATES = ("dw k3 d1", "dw k5 d1", "dw k7 d1", "dw k3 d2", "dw k3 d3")

_IMAGE_AXES = 2

# Share of a record's length that the furthest tap of a candidate may be away from the middle.
# Beyond it most of a kernel's taps see padding.
_REACH_SHARE = 1 / 8
# Reach, in samples, up to which kernels are dense; beyond it five taps are set further apart.
_DENSE_REACH = 4


def sequence_candidates(length: int) -> tuple[str, ...]:
    """Depthwise kernels whose reach doubles, from one sample to an eighth of the record.

    Dense up to a reach of four samples, beyond it five taps at a dilation of half the reach: for
    records of 64 samples k3, k5, k9 and k5 d4. Only the length of a record decides, not what is
    known of a drift.
    """
    reach, found = 1, []
    while reach <= max(1, _REACH_SHARE * length):
        dense = Depthwise(2 * reach + 1)
        found.append(str(dense if reach <= _DENSE_REACH else Depthwise(5, reach // 2)))
        reach *= 2
    return tuple(found)


def group_of(edge: str, axes: int = 1) -> str:
    """The cell of an edge (`cells.0.edges.1` -> `cells.0`); an edge outside a cell is its own.

    axes: of what enters it. Over images each edge decides for itself: there a wider kernel costs so
    much that a cap lets one edge have it, not a cell.
    """
    cell, _, _ = edge.rpartition(".edges.")
    return cell if cell and axes < _IMAGE_AXES else edge


def reopening_of(
    architecture: Architecture, shape: tuple[int, ...], *, only: tuple[str, ...] = ()
) -> Reopening:
    """All edges open, those of a cell over sequences tied, to what suits a record of this shape.

    shape: of a record, without the batch axis. only: open no other edges; () for all.
    The operations that are deployed in a group are among its candidates.
    """
    edges = architecture_edges(architecture)
    chosen = {name: edges[name] for name in only} if only else edges
    needs_shapes = any(not isinstance(edge.site, CellSite) for edge in chosen.values())
    entering = edge_shapes(build(architecture), chosen, shape) if needs_shapes else {}
    return tied(
        chosen,
        {
            name: _candidates(edge, shape, entering.get(name, shape))
            for name, edge in chosen.items()
        },
    )


def tied(edges: Mapping[str, Edge], candidates: Mapping[str, tuple[str, ...]]) -> Reopening:
    """The edges of a group decide together: each gets the candidates of all, as far as they fit
    every edge of the cell, and the operations that are deployed there."""
    groups = {name: group_of(name, edges[name].site.axes) for name in candidates}
    of_group: dict[str, dict[str, None]] = {}
    for name, group in groups.items():
        of_group.setdefault(group, {}).update(dict.fromkeys(candidates[name]))
    for name, group in groups.items():
        of_group[group].setdefault(str(edges[name].operation))
    fitting = {
        group: tuple(
            text
            for text in texts
            if all(
                _fits(parse_operation(text), edges[name])
                for name, other in groups.items()
                if other == group
            )
        )
        for group, texts in of_group.items()
    }
    return Reopening({name: fitting[group] for name, group in groups.items()}, groups)


def _candidates(edge: Edge, record: tuple[int, ...], entering: tuple[int, ...]) -> tuple[str, ...]:
    match edge.site:
        case CellSite():
            return sequence_candidates(record[1]) if edge.site.axes == 1 else IMAGE_CANDIDATES
        case FeatureSite():
            return SPACES["tabular"].candidates_at(edge.site)
    return candidates_for(edge, entering)


def _fits(operation: Operation, edge: Edge) -> bool:
    return operation.fits(edge.site)
