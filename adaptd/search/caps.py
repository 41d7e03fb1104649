"""`Cap`: what the outcome of a search must not exceed."""

from collections.abc import Iterable
from dataclasses import dataclass

from adaptd.architecture import Architecture
from adaptd.space import Cost


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

    def __str__(self) -> str:
        return f"at most {self.most:g} {self.cost.unit}"


def amounts(caps: Iterable[Cap], architecture: Architecture) -> str:
    """What the architecture takes of all that is capped, for a person."""
    return " and ".join(f"{cap.cost.total(architecture):g} {cap.cost.unit}" for cap in caps)


def within(caps: Iterable[Cap], architecture: Architecture) -> bool:
    """Whether the architecture exceeds none of them."""
    return all(cap.admits(architecture) for cap in caps)
