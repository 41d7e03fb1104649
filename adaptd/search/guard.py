"""`Guard`: what watches over a gradient search, and may bend or end it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from adaptd.architecture import Architecture
from adaptd.search.limit import Limit
from adaptd.search.problem import Problem
from adaptd.search.task import Task
from adaptd.search.training import Samples
from adaptd.space import Supernet


@dataclass(frozen=True, eq=False)
class SearchView:
    """What a guard sees of a search that is under way.

    held_out: records that train no weight, or, where the method has none such, some of all.
    fraction: share of the search that is done, in [0, 1]. moved_alphas and loss: of the step just
    done, whether it moved alphas, not weights, and its loss; None before a step.
    """

    supernet: Supernet
    held_out: Samples
    task: Task
    fraction: float
    moved_alphas: bool | None = None
    loss: float | None = None


class Guard:
    """One safeguard of one search; it is made anew for each. Every hook may do nothing.

    name: as it stands in reports and on a command line. summary: what it does, in one line.
    acted: whether it has changed anything. figures: what it found; plain values.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    def __init__(self) -> None:
        self.acted = False
        self.figures: dict[str, Any] = {}

    @property
    def is_uneasy(self) -> bool:
        """Whether the present state may be none to go back to, should the search diverge."""
        return False

    def start(self, view: SearchView) -> None:
        """Called once, before the first step, also of a search that is resumed."""

    def before_step(self, view: SearchView) -> None:
        """Called before each step."""

    def penalty(self, supernet: Supernet) -> Tensor | None:
        """What is added to the loss of a step of the alphas, a scalar."""

    def after_step(self, view: SearchView) -> str | None:
        """Called after each step; the search ends where a reason is given.

        Raises TrainingDiverged where the search should end at its last good state instead.
        """

    def limits(self, problem: Problem) -> Sequence[Limit] | None:
        """What the architecture that is chosen must keep to, whatever the alphas say; None for
        nothing."""

    def after_choice(self, problem: Problem, free: Architecture, chosen: Architecture) -> None:
        """Called once where there are limits. free: what would have been chosen without any."""

    def finish(self, view: SearchView) -> None:
        """Called once, after the choice and before the supernet is folded: takes back what must
        not outlast a search."""

    def report(self) -> Mapping[str, Any]:
        """Whether it acted, and what it found; plain values."""
        return {"acted": self.acted, **self.figures}

    def state(self) -> Mapping[str, Any]:
        """What a checkpoint must keep; plain values."""
        return {"acted": self.acted, "figures": dict(self.figures)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The way back."""
        self.acted, self.figures = state["acted"], dict(state["figures"])
