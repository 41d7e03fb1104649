"""`Genotype`: which two edges each node of a DARTS cell keeps, and what stands on them."""

from collections.abc import Mapping
from dataclasses import dataclass

_INPUTS, _NODES = 2, 4

# Of each edge, in the order of `edges`: node it leads to, node it comes from. 0 and 1 are what
# enters, 2 to 5 the nodes of the cell.
PREDECESSORS: tuple[tuple[int, int], ...] = tuple(
    (node, predecessor) for node in range(_INPUTS, _INPUTS + _NODES) for predecessor in range(node)
)

# A node keeps so many edges.
_KEPT = 2

# Those from what enters: a genotype that is as good as any other to start from.
STARTING_EDGES = frozenset(
    place for place, (_, predecessor) in enumerate(PREDECESSORS) if predecessor < _INPUTS
)

_NONE = "none"
_KINDS = ("normal", "reduction")

# Operation -> its name in published genotypes.
PUBLISHED = {
    "none": "none",
    "maxpool k3": "max_pool_3x3",
    "avgpool k3": "avg_pool_3x3",
    "skip": "skip_connect",
    "sep_conv k3": "sep_conv_3x3",
    "sep_conv k5": "sep_conv_5x5",
    "sep_conv k7": "sep_conv_7x7",
    "dw k3 d2": "dil_conv_3x3",
    "dw k5 d2": "dil_conv_5x5",
}

# Edge (its place among fourteen) -> operation.
Kept = Mapping[int, str]


@dataclass(frozen=True)
class Genotype:
    """Of either kind of cell the eight edges that are kept: (operation, node it comes from), two
    for each node in turn, as published ones are written; in the order of the latter.

    Raises ValueError for another number, a node that comes later, one named twice, or `none`.
    """

    normal: tuple[tuple[str, int], ...]
    reduction: tuple[tuple[str, int], ...]

    def __post_init__(self) -> None:
        for kind in _KINDS:
            pairs = getattr(self, kind)
            if len(pairs) != _KEPT * _NODES:
                raise ValueError(f"a {kind} cell keeps {_KEPT * _NODES} edges, got {len(pairs)}")
            for place in range(0, len(pairs), _KEPT):
                node = _INPUTS + place // _KEPT
                sources = [source for _, source in pairs[place : place + _KEPT]]
                if len(set(sources)) != _KEPT or not all(0 <= one < node for one in sources):
                    raise ValueError(
                        f"node {node} of a {kind} cell keeps edges from two nodes before it, "
                        f"got {sources}"
                    )
            if any(operation == _NONE for operation, _ in pairs):
                raise ValueError(f"an edge that a {kind} cell keeps cannot be {_NONE!r}")
            ordered = (
                pair
                for place in range(0, len(pairs), _KEPT)
                for pair in sorted(pairs[place : place + _KEPT], key=lambda pair: pair[1])
            )
            object.__setattr__(self, kind, tuple(ordered))

    @classmethod
    def derive(cls, alphas: Mapping[str, Mapping[str, float]]) -> "Genotype":
        """From weights: of each edge the operation of the largest one, `none` left out, and of each
        node the two edges whose largest weights are the largest; the earlier one if they are equal.

        alphas: group (`normal.0` … `reduction.13`) -> operation -> weight, as of
        `Supernet.alphas`. Raises KeyError for a group that is not there.
        """
        kept: dict[str, tuple[tuple[str, int], ...]] = {}
        for kind in _KINDS:
            best = [_best(alphas[f"{kind}.{place}"]) for place in range(len(PREDECESSORS))]
            pairs: list[tuple[str, int]] = []
            for node in range(_INPUTS, _INPUTS + _NODES):
                places = [place for place, (into, _) in enumerate(PREDECESSORS) if into == node]
                # A sort keeps the order of equals.
                strongest = sorted(places, key=lambda place: -best[place][1])[:_KEPT]
                pairs += [(best[place][0], PREDECESSORS[place][1]) for place in strongest]
            kept[kind] = tuple(pairs)
        return cls(**kept)

    @classmethod
    def of(cls, operations: Mapping[str, str], *, reductions: frozenset[int]) -> "Genotype":
        """What an architecture's operations say, edge (`cells.0.edges.0`) -> operation.

        reductions: which cells are reduction cells. A genotype has both kinds; if the network has
        one of them only, the other is the same.
        Raises ValueError if cells of one kind differ or a node does not keep two edges.
        """
        found: dict[str, tuple[tuple[str, int], ...]] = {}
        for cell in sorted({int(edge.split(".")[1]) for edge in operations}):
            kind = _KINDS[cell in reductions]
            pairs = tuple(
                (operation, predecessor)
                for place, (_, predecessor) in enumerate(PREDECESSORS)
                if (operation := operations[f"cells.{cell}.edges.{place}"]) != _NONE
            )
            if found.setdefault(kind, pairs) != pairs:
                raise ValueError(f"cell {cell} differs from the {kind} cells before it")
        either = next(iter(found.values()), ())
        return cls(found.get("normal", either), found.get("reduction", either))

    def operations(self, *, cells: int, reductions: frozenset[int]) -> dict[str, str]:
        """Edge -> operation of a network of so many cells; `none` on what is not kept."""
        return {
            f"cells.{cell}.edges.{place}": self.kept(_KINDS[cell in reductions]).get(place, _NONE)
            for cell in range(cells)
            for place in range(len(PREDECESSORS))
        }

    def kept(self, kind: str) -> Kept:
        """Of a kind of cell, `normal` or `reduction`: edge -> operation."""
        pairs: tuple[tuple[str, int], ...] = getattr(self, kind)
        return {
            PREDECESSORS.index((_INPUTS + place // _KEPT, source)): operation
            for place, (operation, source) in enumerate(pairs)
        }

    def published(self) -> dict[str, list[tuple[str, int]]]:
        """With the names that published genotypes have, kind -> pairs.

        Raises KeyError for an operation that has none.
        """
        return {
            kind: [(PUBLISHED[operation], source) for operation, source in getattr(self, kind)]
            for kind in _KINDS
        }

    @classmethod
    def from_published(cls, **pairs: list[tuple[str, int]]) -> "Genotype":
        """Undoes `published`. Raises KeyError for a name that no operation has."""
        names = {name: operation for operation, name in PUBLISHED.items()}
        return cls(
            **{
                kind: tuple((names[name], source) for name, source in of_kind)
                for kind, of_kind in pairs.items()
            }
        )


def _best(weights: Mapping[str, float]) -> tuple[str, float]:
    allowed = {operation: weight for operation, weight in weights.items() if operation != _NONE}
    operation = max(allowed, key=allowed.__getitem__)
    return operation, allowed[operation]
