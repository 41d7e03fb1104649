"""`Limit`: how many edges may end with a kind of operation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


def kind_of(operation: str) -> str:
    """The name of an operation's text, without its numbers: `dw` of `dw k3 d1`."""
    return operation.split(" ", maxsplit=1)[0]


@dataclass(frozen=True)
class Limit:
    """At most `most` edges may end with an operation that counts.

    counted: edge -> those of its candidates that do. told: what they are, for a person.
    """

    counted: Mapping[str, frozenset[str]]
    most: int
    told: str

    def uses(self, edges: Iterable[str], operation: str) -> int:
        """How many of its edges the operation takes where all the given edges get it."""
        return sum(operation in self.counted.get(edge, ()) for edge in edges)

    def __str__(self) -> str:
        return f"at most {self.most} {self.told} on {', '.join(sorted(self.counted))}"
