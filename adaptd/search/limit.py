"""`Limit`: how many edges may end with a kind of operation."""

from collections.abc import Iterable
from dataclasses import dataclass


def kind_of(operation: str) -> str:
    """The name of an operation's text, without its numbers: `dw` of `dw k3 d1`."""
    return operation.split(" ", maxsplit=1)[0]


@dataclass(frozen=True)
class Limit:
    """At most `most` of these edges may end with an operation of one of these names."""

    operations: frozenset[str]
    edges: frozenset[str]
    most: int

    def uses(self, edges: Iterable[str], operation: str) -> int:
        """How many of its edges the operation takes where all the given edges get it."""
        if kind_of(operation) not in self.operations:
            return 0
        return len(self.edges.intersection(edges))

    def __str__(self) -> str:
        names, edges = " or ".join(sorted(self.operations)), ", ".join(sorted(self.edges))
        return f"at most {self.most} {names} on {edges}"
