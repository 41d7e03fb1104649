"""Which operations an edge may be reopened to."""

from adaptd.architecture import Architecture
from adaptd.space import Reopening

# Narrow, middle, wide, far. More dense candidates between them split the vote: on the streams
# tried, a larger set won on one and lost on others.
CANDIDATES = ("dw k3 d1", "dw k5 d1", "dw k9 d1", "dw k5 d4")


def group_of(edge: str) -> str:
    """The cell of an edge (`cells.0.edges.1` -> `cells.0`); an edge outside a cell is its own."""
    cell, _, _ = edge.rpartition(".edges.")
    return cell or edge


def reopening_of(architecture: Architecture) -> Reopening:
    """All edges open, tied by cell, to `CANDIDATES` and the operations deployed in the cell."""
    groups = {edge: group_of(edge) for edge in architecture.operations}
    operations = {
        group: tuple(
            dict.fromkeys(
                (
                    *CANDIDATES,
                    *(
                        operation
                        for edge, operation in architecture.operations.items()
                        if groups[edge] == group
                    ),
                )
            )
        )
        for group in groups.values()
    }
    return Reopening({edge: operations[group] for edge, group in groups.items()}, groups)
