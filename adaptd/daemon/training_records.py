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
    """Those numbered `first` to `end` - 1, without those that came while a sensor was broken.

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
    """After a drift: so many from its start on, which may still have to come. Else the latest; all
    that there are where the window holds fewer, but for what broken ones have to be made up for."""
    end = window.next_record
    is_drift = trigger.kind == "drift"
    first = (
        max(min(trigger.since_record, end), window.first_record)
        if is_drift
        else (window.first_record)
    )
    is_working = ~outages.are_broken(window.positions(first, end))
    places = np.flatnonzero(is_working)
    wanted = records if is_drift else min(records, end - first)
    if len(places) >= wanted and wanted:
        own = places[:wanted] if is_drift else places[-wanted:]
        own_first = first if is_drift else first + int(own[0])
        end = first + int(own[-1]) + 1 if is_drift else end
        is_working = is_working[own_first - first : end - first]
        first = own_first
    return TrainingRecords(
        first=first,
        end=end,
        left_out=tuple((first + run.start, first + run.stop) for run in runs(~is_working)),
        count=int(is_working.sum()),
        wanted=wanted,
    )
