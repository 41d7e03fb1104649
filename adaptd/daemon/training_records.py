"""`TrainingRecords`: which of a window's records an episode learns from."""

from dataclasses import dataclass

import numpy as np

from adaptd.adaptation.trigger import Trigger
from adaptd.observer.outages import Outages
from adaptd.observer.runs import runs
from adaptd.stream.batch import Batch
from adaptd.stream.window import Window


@dataclass(frozen=True)
class TrainingRecords:
    """Those numbered `first` to `end` - 1, without those that came while a sensor was broken, or
    so lately that this is not known.

    left_out: (first, the one after the last) of each stretch of the latter. count: those that are
    there. wanted: how many there shall be.
    """

    first: int
    end: int
    left_out: tuple[tuple[int, int], ...]
    count: int
    wanted: int

    @property
    def are_there(self) -> bool:
        """Whether no more have to come."""
        return self.count >= self.wanted

    def of(self, window: Window) -> Batch:
        """The records themselves. Raises ValueError if the window does not hold them any more."""
        batch = window.between(self.first, self.end)
        is_wanted = np.ones(len(batch), np.bool_)
        for first, end in self.left_out:
            is_wanted[first - self.first : end - self.first] = False
        return batch.where(is_wanted) if self.left_out else batch


def choose(trigger: Trigger, window: Window, outages: Outages, *, records: int) -> TrainingRecords:
    """Of the records of which it is known what became of them. After a drift: so many from its
    start on, which may still have to come. Else the latest; all that there are where the window
    holds fewer, but for what broken ones have to be made up for."""
    end = max(window.first_record, window.next_record - outages.known_after)
    is_drift = trigger.kind == "drift"
    first = window.first_record
    if is_drift:
        first = max(first, min(trigger.since_record, end))
    positions = window.positions(first, end)
    is_working = ~(outages.are_broken(positions) | outages.are_undecided(positions))
    places = np.flatnonzero(is_working)
    wanted = records if is_drift else max(1, min(records, end - first))
    if len(places) >= wanted:
        own = places[:wanted] if is_drift else places[-wanted:]
        start, stop = (0, int(own[-1]) + 1) if is_drift else (int(own[0]), end - first)
        is_working = is_working[start:stop]
        first, end = first + start, first + stop
    return TrainingRecords(
        first=first,
        end=end,
        left_out=tuple((first + run.start, first + run.stop) for run in runs(~is_working)),
        count=int(is_working.sum()),
        wanted=wanted,
    )
