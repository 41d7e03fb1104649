"""What lies between two architectures, and what lies one step away from one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adaptd.architecture.architecture import Architecture


@dataclass(frozen=True)
class Edit:
    """One edge whose operation changes."""

    edge: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.edge}: {self.before} becomes {self.after}"


def diff(before: Architecture, after: Architecture) -> tuple[Edit, ...]:
    """The edits from one architecture to the other, by edge name.

    Raises ValueError if network, settings or edges differ: no edit of operations leads across.
    """
    if (
        before.network != after.network
        or dict(before.settings) != dict(after.settings)
        or before.operations.keys() != after.operations.keys()
    ):
        raise ValueError(
            f"{before.network} and {after.network} differ in more than their edges' operations"
        )
    return tuple(
        Edit(edge, operation, after.operations[edge])
        for edge, operation in before.operations.items()
        if operation != after.operations[edge]
    )


def neighbours(
    architecture: Architecture, candidates: Mapping[str, Sequence[str]]
) -> Iterator[Architecture]:
    """Every architecture one edit away, in the order of the edges and of their candidates.

    candidates: edge -> operations it may hold; the one it holds now is passed over.
    Raises KeyError for an edge that the architecture does not have.
    """
    for edge, operations in candidates.items():
        for operation in operations:
            if operation != architecture.operations[edge]:
                yield architecture.with_operations({edge: operation})
