"""Which operations an edge may be reopened to, and which edges decide together."""

from collections.abc import Mapping, Sequence

from adaptd.architecture import Architecture
from adaptd.search.caps import Cap, within
from adaptd.space import (
    Edge,
    LinearOperation,
    Operation,
    Reopening,
    architecture_edges,
    build,
    edge_shapes,
    parse_operation,
)
from adaptd.space.alternatives import candidates_for
from adaptd.space.cell import CellSite
from adaptd.space.convolution import LowRankConvolution
from adaptd.space.feature import FeatureSite
from adaptd.space.linear import LinearMap, MatrixSite

_IMAGE_AXES = 2


def cell_of(edge: str) -> str:
    """The cell of an edge (`cells.0.edges.1` -> `cells.0`); an edge outside a cell is its own."""
    cell, _, _ = edge.rpartition(".edges.")
    return cell or edge


def reopening_of(
    architecture: Architecture, shape: tuple[int, ...], *, only: tuple[str, ...] = ()
) -> Reopening:
    """All edges that the architecture names open, those of a cell over sequences tied, to what
    suits a record of this shape.

    shape: of a record, without the batch axis. only: open no other edges; () for all.
    The operations that are deployed in a group are among its candidates.
    """
    edges = architecture_edges(architecture)
    chosen = {name: edges[name] for name in only or architecture.operations}
    needs_shapes = any(not isinstance(edge.site, CellSite) for edge in chosen.values())
    entering = edge_shapes(build(architecture), chosen, shape) if needs_shapes else {}
    return tied(
        chosen,
        {
            name: candidates_for(edge, entering.get(name, shape), shape)
            for name, edge in chosen.items()
        },
    )


def reopening_within(
    architecture: Architecture, shape: tuple[int, ...], caps: Sequence[Cap]
) -> Reopening:
    """`reopening_of` it all, as far as that is `worthwhile` under the caps."""
    return worthwhile(reopening_of(architecture, shape), architecture, caps)


def tied(edges: Mapping[str, Edge], candidates: Mapping[str, tuple[str, ...]]) -> Reopening:
    """The edges of a cell decide together, but over images, where each decides for itself.

    Each gets the candidates of its whole group, as far as they fit every edge of it, and the
    operations that are deployed there.
    """
    groups = {
        # A wider kernel over images costs so much that a cap lets one edge have it, not a cell.
        name: cell_of(name) if _is_tied(edges[name]) else name
        for name in candidates
    }
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


def _is_tied(edge: Edge) -> bool:
    # A name alone says nothing: a network of somebody's may have a list called `edges`.
    return isinstance(edge.site, CellSite | FeatureSite) and edge.site.axes < _IMAGE_AXES


def _fits(operation: Operation, edge: Edge) -> bool:
    return operation.fits(edge.site)


def worthwhile(reopening: Reopening, architecture: Architecture, caps: Sequence[Cap]) -> Reopening:
    """What of it is worth a search's steps. What is deployed stays in any case.

    Left out is an operation that no combination within the caps has; and where the deployed
    architecture keeps to them, a part of a matrix or of a dense kernel (low-rank, block-diagonal):
    it saves cost and nothing else, and looks better than the whole as long as little is trained.
    """
    kept = {group: reopening.operations(group) for group in reopening.group_names}
    if within(caps, architecture):
        edges = architecture_edges(architecture)
        kept = {
            group: _without_parts(texts, [edges[edge] for edge in reopening.edges(group)])
            for group, texts in kept.items()
        }
    for cap in caps:
        kept = _attainable(kept, reopening, architecture, cap)
    return Reopening(
        {edge: kept[group] for edge, group in reopening.groups.items()}, reopening.groups
    )


def _attainable(
    candidates: Mapping[str, tuple[str, ...]],
    reopening: Reopening,
    architecture: Architecture,
    cap: Cap,
) -> dict[str, tuple[str, ...]]:
    """Group -> those of its candidates that a combination within the cap has, and what is deployed
    there."""
    costs = {
        group: {
            text: sum(cap.cost.on(edge, text) for edge in reopening.edges(group)) for text in of
        }
        for group, of in candidates.items()
    }
    least = {group: min(of.values()) for group, of in costs.items()}
    spare = cap.room(architecture, reopening.groups) - sum(least.values())
    deployed = {
        group: {architecture.operations[edge] for edge in reopening.edges(group)}
        for group in candidates
    }
    return {
        group: tuple(
            text
            for text in of
            if text in deployed[group] or costs[group][text] - least[group] <= spare
        )
        for group, of in candidates.items()
    }


def _without_parts(texts: Sequence[str], edges: Sequence[Edge]) -> tuple[str, ...]:
    """Operations of these edges but what is a part of the whole on all of them."""
    return tuple(
        text for text in texts if not all(_is_part(parse_operation(text), edge) for edge in edges)
    )


def _is_part(operation: Operation, edge: Edge) -> bool:
    if operation == edge.operation:
        return False
    is_matrix = isinstance(edge.site, MatrixSite) and isinstance(operation, LinearOperation)
    return isinstance(operation, LowRankConvolution) or (is_matrix and operation != LinearMap())
