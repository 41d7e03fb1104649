"""`LiveSignals`: what a stream's records, predictions and labels look like, block by block."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.architecture import Contract
from adaptd.config import AlarmConfig
from adaptd.drift.alarm import Alarm
from adaptd.drift.budget import AlarmBudget
from adaptd.drift.signal_monitor import MonitorSettings
from adaptd.drift.signals import input_signals, label_signals, output_signals
from adaptd.drift.signals.answers import Error, Overconfidence
from adaptd.drift.signals.faults import Faults
from adaptd.drift.signals.signal import Signal
from adaptd.observer.lane import Lane, Seen

SCHEMA_VERSION = 2

# Share of the reference that signals learn from; the rest is what they are compared with.
_TRAINING_SHARE = 0.25
# More classes than this have no error of their own: each would have few records, and a detector.
MOST_CLASSES = 24
# Of a stream whose records have no times that increase: one a second.
USUAL_RECORDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class SignalState:
    """How a family of signals stands. evidence: the largest log evidence of its signals over the
    log of what it takes, 1 an alarm; None while it is not watched."""

    family: str
    evidence: float | None


class LiveSignals:
    """Two lanes: records as they come, with what the release says of them, and labelled records.

    Each lane cuts its own blocks and has its part of one budget: `per_day` false alarms a day of
    event time over both. Where records bring their labels, both see the same records. Numbers of
    the first lane count records as they came, those of the second labelled ones; they differ where
    labels come later.
    Knows no clock and no store; depends on the records alone, however they were polled.
    """

    def __init__(self, contract: Contract, alarm: AlarmConfig) -> None:
        unlabelled, labelled = _signals(contract, alarm)
        families = [{signal.family for signal in own} for own in (unlabelled, labelled)]
        total = sum(map(len, families))
        training = max(2, int(_TRAINING_SHARE * alarm.reference_blocks))
        settings = MonitorSettings(
            block_records=alarm.block_records,
            training_blocks=training,
            reference_blocks=max(2, alarm.reference_blocks - training),
            stride_blocks=alarm.stride_blocks,
        )

        def lane(signals: Sequence[Signal], own: set[str]) -> Lane | None:
            if not signals:
                return None
            budget = AlarmBudget(
                alarm.per_day * len(own) / total, "day", usual_records_per_day=USUAL_RECORDS_PER_DAY
            )
            return Lane(signals, replace(settings, budget=budget))

        self._families = tuple(sorted(families[0] | families[1]))
        self._watches_outages = "outages" in alarm.signals
        self._unlabelled, self._labelled = map(lane, (unlabelled, labelled), families)

    @property
    def families(self) -> tuple[str, ...]:
        """Of all signals; as metrics name them, however many classes there are."""
        return self._families

    @property
    def is_broken(self) -> bool:
        """From an alarm of `input-faults` until a block whose channels all work."""
        return self._unlabelled is not None and self._unlabelled.is_broken

    @property
    def faults(self) -> Mapping[int, str]:
        """Channel -> what it has, as of the latest block that was read while it is broken."""
        return {} if self._unlabelled is None else self._unlabelled.faults

    @property
    def watches_outages(self) -> bool:
        """Whether a broken sensor is wanted to be known."""
        return self._watches_outages

    @property
    def broken_blocks(self) -> Sequence[tuple[int, int]]:
        """(first record, the one after its last) of blocks with a broken channel among those that
        `see` has just filled, also where no alarm is raised yet."""
        if self._unlabelled is None or not self._watches_outages:
            return ()
        return self._unlabelled.broken_blocks

    @property
    def knows_sensors(self) -> bool:
        """Whether it can be told that one is broken; also where nobody wants to know."""
        return self._unlabelled is None or self._unlabelled.knows_sensors

    def learn_sensors(self, x: NDArray[np.float32]) -> None:
        """Learns what is ordinary of the sensors from records of before, float32 [n, *shape], so
        that one that breaks in the first training is known; does nothing where that is known."""
        if self._unlabelled is not None:
            self._unlabelled.learn_sensors({"x": x})

    @property
    def states(self) -> list[SignalState]:
        """Of each family."""
        found: dict[str, float] = {}
        for lane in self._lanes():
            for family, evidence in lane.evidence().items():
                found[family] = max(evidence, found.get(family, 0.0))
        return [SignalState(family, found.get(family)) for family in self._families]

    @property
    def is_watching(self) -> bool:
        """Whether every lane has its reference."""
        return all(lane.is_watching for lane in self._lanes())

    @property
    def alarms_per_day(self) -> float | None:
        """Alarms a day of event time, over what was watched; None before that."""
        days = [lane.watched_days for lane in self._lanes() if lane.watched_days > 0]
        return sum(lane.alarms for lane in self._lanes()) / max(days) if days else None

    @property
    def revision(self) -> int:
        """Another number once any of what is above may be another."""
        return sum(lane.revision for lane in self._lanes())

    @property
    def until_judged(self) -> int:
        """Labelled records to the end of the second lane's block; many without that lane."""
        return sys.maxsize if self._labelled is None else self._labelled.until_full

    def family_of(self, signal: str) -> str:
        """What metrics call a signal."""
        for lane in self._lanes():
            if signal in lane.family_of:
                return lane.family_of[signal]
        return signal

    def see(
        self,
        first_record: int,
        x: NDArray[np.float32],
        probabilities: NDArray[np.float32],
        times: NDArray[np.float64],
    ) -> Seen:
        """Takes records as they come, as `Lane.take`: x float32 [n, *shape], what the release says
        of them, float32 [n, classes], and event times."""
        if self._unlabelled is None:
            return Seen(len(x))
        return self._unlabelled.take(
            first_record, {"x": x, "probabilities": probabilities, "times": times}
        )

    def judge(
        self,
        first_record: int,
        *,
        probabilities: NDArray[np.float32],
        target: NDArray[np.int64],
        hits: NDArray[np.bool_],
        times: NDArray[np.float64],
    ) -> list[Alarm]:
        """Takes labelled records."""
        if self._labelled is None:
            return []
        return self._labelled.put(
            first_record,
            {
                # None of these signals looks at it.
                "x": np.zeros((len(target), 0), np.float32),
                "probabilities": probabilities,
                "target": target,
                "hits": hits,
                "times": times,
            },
        )

    def hush(self) -> None:
        """The drift is known: labelled signals say nothing until they begin anew."""
        if self._labelled is not None:
            self._labelled.hush()

    def reset(self) -> None:
        """Another release predicts: everything is learnt anew, from blocks of its own. The sensors
        are the same: one that is broken stays so."""
        for lane in self._lanes():
            lane.reset()

    def relearn(self) -> None:
        """A drift was answered without a release: what comes now is ordinary, unless a sensor is
        broken."""
        for lane in self._lanes():
            lane.relearn()

    def accept(self) -> None:
        """The same of what needs no label: what it saw has done no harm."""
        if self._unlabelled is not None:
            self._unlabelled.relearn()

    def resume(self) -> None:
        """What was ordinary stays so: a sensor was broken, and nothing has been learnt from it."""
        for lane in self._lanes():
            lane.resume()

    def state(self) -> dict[str, Any]:
        """As JSON values, exact; of bounded size."""
        return {
            "schema_version": SCHEMA_VERSION,
            "unlabelled": None if self._unlabelled is None else self._unlabelled.state(),
            "labelled": None if self._labelled is None else self._labelled.state(),
        }

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Goes on where `state` was taken. A lane whose signals, blocks or reference were others
        then (the configuration has changed) begins anew."""
        if state is None or state.get("schema_version") != SCHEMA_VERSION:
            return
        for lane, own in (
            (self._unlabelled, state["unlabelled"]),
            (self._labelled, state["labelled"]),
        ):
            if lane is not None and own is not None:
                lane.restore(own)

    def _lanes(self) -> list[Lane]:
        return [lane for lane in (self._unlabelled, self._labelled) if lane is not None]


def _signals(contract: Contract, alarm: AlarmConfig) -> tuple[list[Signal], list[Signal]]:
    chosen, classes = set(alarm.signals), contract.classes
    unlabelled: list[Signal] = []
    labelled: list[Signal] = []
    if "outages" in chosen:
        unlabelled.append(Faults())
    if "inputs" in chosen:
        unlabelled += [one for one in input_signals() if one.name != Faults.name]
    if "outputs" in chosen:
        unlabelled += output_signals(len(classes))
    if "classes" in chosen:
        labelled += label_signals(classes)
    if "errors" in chosen:
        labelled.append(Error())
    if "errors-of-classes" in chosen and len(classes) <= MOST_CLASSES:
        labelled += [Error(of_class=at, class_name=name) for at, name in enumerate(classes)]
    if "calibration" in chosen:
        labelled.append(Overconfidence())
    return unlabelled, labelled
