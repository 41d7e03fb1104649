"""A cell of NAS-Bench-201, and the text the benchmark names it by."""

import re

# Any of them may stand on any edge.
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

# Where each edge starts, grouped by the node it ends in: 0→1, 0→2, 1→2, 0→3, 1→3, 2→3.
SOURCES = ((0,), (0, 1), (0, 1, 2))
EDGES = sum(map(len, SOURCES))

# The operation of each edge, in the order of SOURCES.
Cell = tuple[str, ...]

_EDGE = re.compile(r"([a-z0-9_]+)~([0-9])")


def to_text(cell: Cell) -> str:
    """`|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`. Raises ValueError for anything but six operations."""
    _check(cell)
    operations = iter(cell)
    return "+".join(
        "|" + "|".join(f"{next(operations)}~{source}" for source in sources) + "|"
        for sources in SOURCES
    )


def from_text(text: str) -> Cell:
    """The way back. Raises ValueError, with what is expected, for any other text."""
    cell = tuple(match[1] for match in _EDGE.finditer(text))
    _check(cell)
    if to_text(cell) != text:
        raise ValueError(f"a cell reads {to_text(cell)!r}, got {text!r}")
    return cell


def _check(cell: Cell) -> None:
    if len(cell) != EDGES:
        raise ValueError(f"a cell has {EDGES} operations, got {len(cell)}")
    for operation in cell:
        if operation not in OPERATIONS:
            raise ValueError(f"no operation {operation!r}; there are: {', '.join(OPERATIONS)}")
