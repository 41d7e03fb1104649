"""What kind of drift an episode answers, from the records around it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.adaptation.trigger import Trigger
from adaptd.architecture import Contract
from adaptd.drift.block import SignalBlock
from adaptd.drift.diagnosis import Diagnosis, diagnose
from adaptd.drift.profile import Profile
from adaptd.observer.outages import Outages
from adaptd.observer.score import score
from adaptd.stream.window import Window

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# Blocks before the drift that are looked at, and without which nothing can be said. One half tells
# what is usual, the other how much it varies.
MOST_BEFORE = 64
LEAST_BEFORE = 12
# Blocks after it that are enough to see that a sensor is broken.
OUTAGE_BLOCKS = 4
# Share of the records that an alarm is of, from which it is the sensor's.
_MOST = 0.5


class Diagnostician:
    """Compares a window's records before a drift with those since.

    outages: what is known of broken sensors. predict: the champion, x float32 [n, *shape] ->
    probabilities float32 [n, classes].
    """

    def __init__(
        self,
        window: Window,
        *,
        contract: Contract,
        outages: Outages,
        block_records: int,
        predict: Predict,
    ) -> None:
        self._window = window
        self._outages = outages
        self._contract = contract
        self._size = block_records
        self._predict = predict

    def is_of_outage(self, trigger: Trigger) -> bool:
        """Whether a drift was called at a record that came while a sensor was broken, or mostly by
        such: its episode may have waited until that was over."""
        if trigger.kind != "drift":
            return False
        positions = self._window.positions(trigger.since_record, trigger.record + 1)
        is_broken = self._outages.are_broken(positions)
        return bool(len(is_broken) and (is_broken[-1] or is_broken.mean() >= _MOST))

    def can_see_outage(self, since_record: int) -> bool:
        """Whether there are records enough to see that a sensor is broken."""
        return self._window.next_record - since_record >= OUTAGE_BLOCKS * self._size

    def outage(self, since_record: int) -> str | None:
        """Which channels are broken, in words; None where none is, or nothing can be said, or where
        that is known of the records already."""
        diagnosis = self.diagnosis(since_record)
        return None if diagnosis is None else self.broken(diagnosis)

    def broken(self, diagnosis: Diagnosis) -> str | None:
        """The same of a diagnosis that is there."""
        if diagnosis.kind != "outage":
            return None
        faults: Mapping[str, str] = diagnosis.evidence["faults"]
        return ", ".join(
            f"{self._contract.features[int(place)]} {fault}" for place, fault in faults.items()
        )

    def diagnosis(self, since_record: int) -> Diagnosis | None:
        """None where the window holds too few records before or since, without those of which it is
        known that a sensor was broken."""
        window, size = self._window, self._size
        # The block before the date is left out: dates are often late by a few records.
        end = since_record - size
        first = max(window.first_record, end - MOST_BEFORE * size)
        if end - first < LEAST_BEFORE * size or window.next_record - since_record < size:
            return None
        before = self._blocks(first, end)
        recent = self._blocks(since_record, window.next_record)
        if len(before) < LEAST_BEFORE or not recent:
            return None
        half = len(before) // 2
        profile = Profile(len(self._contract.classes))
        profile.fit(before[:half])
        for block in before[half:]:
            profile.take(block, is_reference=True)
        for block in recent:
            profile.take(block, is_reference=False)
        return diagnose(profile, since_record=since_record, shape=self._contract.shape)

    def _blocks(self, first: int, end: int) -> list[SignalBlock]:
        size, batch = self._size, self._window.between(first, end)
        is_broken = self._outages.are_broken(batch.positions)
        probabilities = self._predict(batch.x)
        hits, losses = score(probabilities, batch.target)
        return [
            SignalBlock(
                first + start,
                batch.x[start : start + size],
                probabilities=probabilities[start : start + size],
                target=batch.target[start : start + size],
                hits=hits[start : start + size],
                losses=losses[start : start + size],
            )
            for start in range(0, len(batch) - size + 1, size)
            if not is_broken[start : start + size].any()
        ]

    def facts(self, diagnosis: Diagnosis) -> dict[str, Any]:
        """The diagnosis as JSON values, channels by their names."""
        return {
            "kind": diagnosis.kind,
            "channels": [self._contract.features[place] for place in diagnosis.channels],
            "evidence": _plain(diagnosis.evidence),
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
