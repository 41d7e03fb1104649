"""`TrainingRecords`: which of a window's records an episode learns from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptd.adaptation.trigger import Trigger
from adaptd.observer.outages import Outages
from adaptd.observer.runs import runs
from adaptd.stream.batch import Batch
from adaptd.stream.positions import Positions, are_among
from adaptd.stream.window import Window


@dataclass(frozen=True, eq=False)
class TrainingRecords:
    """Those of the records numbered `first` to `end` - 1 that are learnt from: not those that came
    while a sensor was broken, or so lately that this is not known.

    is_learnt: bool [end - first]. left_out: (first, the one after the last) of each stretch of
    those. held_back: how many are not learnt from since forgetting is measured on them. wanted: how
    many there shall be.
    """

    first: int
    end: int
    is_learnt: NDArray[np.bool_]
    left_out: tuple[tuple[int, int], ...]
    held_back: int
    wanted: int

    @property
    def count(self) -> int:
        """Those that are there."""
        return int(self.is_learnt.sum())

    @property
    def are_there(self) -> bool:
        """Whether no more have to come."""
        return self.count >= self.wanted

    def of(self, window: Window) -> Batch:
        """The records themselves. Raises ValueError if the window does not hold them any more."""
        return window.between(self.first, self.end).where(self.is_learnt)


def choose(
    trigger: Trigger,
    window: Window,
    outages: Outages,
    *,
    held_back: Positions,
    records: int,
    minimum: int,
) -> TrainingRecords:
    """Of the records of which it is known what became of them, but for those that are held back.
    After a drift: so many from its start on, which may still have to come. Else the latest; all
    that there are where the window holds fewer, but for what broken ones have to be made up for.

    Never more than a full window has room for beside those that are not known yet and those that
    are not learnt from: as others come, as many leave. minimum: so many are waited for until the
    latter leave, if the window could ever hold them.
    """
    end = max(window.first_record, window.next_record - outages.known_after)
    is_drift = trigger.kind == "drift"
    first = window.first_record
    if is_drift:
        first = max(first, min(trigger.since_record, end))
    positions = window.positions(first, end)
    is_broken = outages.are_broken(positions) | outages.are_undecided(positions)
    is_held_back = are_among(positions, held_back) & ~is_broken
    is_learnt = ~is_broken & ~is_held_back
    places = np.flatnonzero(is_learnt)
    room = window.capacity - outages.known_after
    most = min(room, max(room - int((~is_learnt).sum()), minimum))
    there = end - first - int(is_held_back.sum())
    wanted = max(1, min(records, most if is_drift else min(most, there)))
    start, stop = 0, end - first
    if len(places) >= wanted and is_drift:
        stop = int(places[wanted - 1]) + 1
    elif len(places) >= wanted:
        start = int(places[-wanted])
    own, first = slice(start, stop), first + start
    return TrainingRecords(
        first=first,
        end=first + stop - start,
        is_learnt=is_learnt[own],
        left_out=tuple((first + run.start, first + run.stop) for run in runs(is_broken[own])),
        held_back=int(is_held_back[own].sum()),
        wanted=wanted,
    )
