"""Which operations hand on what enters, and which hand on nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from adaptd.search.candidates import cell_of
from adaptd.search.limit import kind_of
from adaptd.space.mixed import MixedEdge

# Their outcome depends on what enters from the first step on, so that they win before any kernel
# has learnt. `identity` has the pointwise convolution and the norm of its edge, but no kernel.
SKIPS = frozenset({"skip", "identity"})
# An edge that is not there. No skip: what it would win by is another thing.
NOTHINGS = frozenset({"none", "zero"})


def is_skip(operation: str) -> bool:
    """Of an operation's text."""
    return kind_of(operation) in SKIPS


def is_nothing(operation: str) -> bool:
    """Of an operation's text."""
    return kind_of(operation) in NOTHINGS


def skip_places(operations: Sequence[str]) -> tuple[int, ...]:
    """Where among these texts the skips are."""
    return tuple(place for place, operation in enumerate(operations) if is_skip(operation))


def edge_skips(mixed: MixedEdge) -> tuple[int, ...]:
    """Where among an open edge's candidates the skips are."""
    return skip_places([str(candidate) for candidate in mixed.candidates])


def skips_by_cell(operations: Mapping[str, str], edges: Iterable[str]) -> Counter[str]:
    """Cell -> how many of these edges are skips. operations: edge -> text."""
    return Counter(cell_of(edge) for edge in edges if is_skip(operations[edge]))
