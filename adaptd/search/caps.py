"""`Cap`: what the outcome of a search must not exceed."""

from collections.abc import Iterable
from dataclasses import dataclass

from adaptd.architecture import Architecture
from adaptd.space import Cost

# Share of a cap that sums in another order may differ by. What is chosen is held against the cap
# itself.
_ROUNDING = 1e-9


class NothingFits(ValueError):
    """The caps are below every architecture that could be chosen."""


@dataclass(frozen=True)
class Cap:
    """At most so much of what a cost counts, of the whole network. Absolute, never of the latest
    champion: that would grow from one reopening to the next."""

    cost: Cost
    most: float

    def admits(self, architecture: Architecture) -> bool:
        """Exactly, not by an estimate."""
        return self.cost.total(architecture) <= self.most

    def room(self, architecture: Architecture, edges: Iterable[str]) -> float:
        """What is left for these edges together when all others have the architecture's."""
        taken = self.cost.total(architecture) - sum(
            self.cost.on(edge, architecture.operations[edge]) for edge in edges
        )
        return self.most * (1 + _ROUNDING) - taken

    def __str__(self) -> str:
        return f"at most {self.most:g} {self.cost.unit}"


def amounts(caps: Iterable[Cap], architecture: Architecture) -> str:
    """What the architecture takes of all that is capped, for a person."""
    return " and ".join(f"{cap.cost.total(architecture):g} {cap.cost.unit}" for cap in caps)


def within(caps: Iterable[Cap], architecture: Architecture) -> bool:
    """Whether the architecture exceeds none of them."""
    return all(cap.admits(architecture) for cap in caps)
