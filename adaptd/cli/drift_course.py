"""A recorded stream through the monitor of drift, from front to back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.alarm import Alarm
from adaptd.drift.block import SignalBlock, joined
from adaptd.drift.diagnosis import Diagnosis, diagnose
from adaptd.drift.naive_bayes import NaiveBayes
from adaptd.drift.profile import Profile
from adaptd.drift.river_detectors import RiverErrors
from adaptd.drift.signal_monitor import MonitorSettings, SignalMonitor
from adaptd.drift.signals import answer_signals, input_signals, label_signals, output_signals
from adaptd.drift.two_sample import discriminator_test, mean_embedding_test
from adaptd.observer.score import score
from adaptd.stream.batch import Batch
from adaptd.stream.schema import Schema

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# Blocks after an alarm from which the diagnosis is made that counts: the first one is made of two
# or three blocks.
SETTLE_BLOCKS = 8
# Blocks that a model of the command's own is fitted on, of the records before the reference.
MODEL_BLOCKS = 32
# Records of either side that the dear tests look at.
_TESTED_RECORDS = 256
# Fewer records since the change are not worth a test.
_FEWEST_TESTED = 64


@dataclass(frozen=True)
class Event:
    """One alarm: who raised it, when, since when, what it looked like then and a little later.

    tests: of the records since, against the reference's; empty with too few.
    until_record: the first record after an outage that is over.
    """

    alarms: tuple[Alarm, ...]
    record: int
    since_record: int
    at_first: Diagnosis
    settled: Diagnosis
    tests: dict[str, Any] = field(default_factory=dict)
    until_record: int | None = None

    def to_document(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "record": self.record,
            "since_record": self.since_record,
            "until_record": self.until_record,
            "signals": {alarm.signal: alarm.statistic for alarm in self.alarms},
            "at_first": self.at_first.kind,
            "kind": self.settled.kind,
            "rungs": list(self.settled.rungs),
            "channels": list(self.settled.channels),
            "evidence": dict(self.settled.evidence),
            "tests": self.tests,
        }


@dataclass(frozen=True)
class Course:
    """events: in order. river: alarms of a detector beside it, on the same errors. ends, evidence:
    last record of each block that was watched, and signal -> log evidence over log threshold, 1 an
    alarm, NaN where the signal was not read. first_watched: the first record that could raise an
    alarm; None where there were too few. report: of the monitor."""

    events: tuple[Event, ...]
    river: tuple[Alarm, ...]
    ends: NDArray[np.int64]
    evidence: dict[str, NDArray[np.float64]]
    first_watched: int | None
    records: int
    report: dict[str, Any]


def run_course(
    batches: Iterator[Batch],
    schema: Schema,
    settings: MonitorSettings,
    *,
    predict: Predict | None,
    detector: str,
) -> Course:
    """Learns what is ordinary from the first records, and anew after each alarm but an outage.

    predict: of a release; None: a naive Bayes model that is fitted on the first `MODEL_BLOCKS`.
    detector: a name in `RIVER_DETECTORS`.
    """
    walk = _Walk(schema, settings, predict=predict, detector=detector)
    for block in _blocks(batches, settings.block_records):
        walk.take(block)
    return walk.end()


class _Walk:
    def __init__(
        self,
        schema: Schema,
        settings: MonitorSettings,
        *,
        predict: Predict | None,
        detector: str,
    ) -> None:
        self._schema = schema
        self._settings = settings
        self._release = predict
        self._predict = predict
        classes = schema.classes
        self._profile = Profile(len(classes))
        self._monitor = SignalMonitor(
            [
                *input_signals(),
                *output_signals(len(classes)),
                *label_signals(classes),
                *answer_signals(classes),
            ],
            settings,
            profile=self._profile,
        )
        self._river = RiverErrors(detector, classes, seed=settings.seed)
        self._for_model: list[SignalBlock] = []
        self._ordinary: list[SignalBlock] = []
        self._open: tuple[Event, int] | None = None
        self._latest: list[SignalBlock] = []
        self._events: list[Event] = []
        self._river_alarms: list[Alarm] = []
        self._points: list[tuple[int, dict[str, float]]] = []
        self._first_watched: int | None = None
        self._records = 0

    def take(self, bare: SignalBlock) -> None:
        self._records = bare.first_record + len(bare)
        if self._predict is None:
            self._learn(bare)
            self._note_nothing(bare)
            return
        block = self._answered(bare, self._predict)
        was_watching = self._monitor.is_watching
        alarms = self._monitor.update(block)
        self._latest = [*self._latest[-(SETTLE_BLOCKS * 2) :], bare]
        if was_watching:
            self._river_alarms += self._river.update(block)
            if self._first_watched is None:
                self._first_watched = block.first_record
            self._note(block)
        else:
            if not self._monitor.is_broken:
                self._ordinary.append(bare)
            self._note_nothing(bare)
        if alarms:
            # A sensor may break before what has changed is settled.
            if self._open is not None:
                self._events.append(self._open[0])
            self._begin_event(alarms)
        elif self._open is not None:
            self._go_on()

    def end(self) -> Course:
        if self._open is not None:
            self._settle(self._open[0])
        names = sorted({name for _, point in self._points for name in point})
        return Course(
            events=tuple(self._events),
            river=tuple(self._river_alarms),
            ends=np.array([end for end, _ in self._points], np.int64),
            evidence={
                name: np.array([point.get(name, np.nan) for _, point in self._points])
                for name in names
            },
            first_watched=self._first_watched,
            records=self._records,
            report=self._monitor.report(),
        )

    def _learn(self, bare: SignalBlock) -> None:
        self._for_model.append(bare)
        if len(self._for_model) == MODEL_BLOCKS:
            together = joined(self._for_model)
            assert together.target is not None
            model = NaiveBayes(together.x, together.target, classes=len(self._schema.classes))
            self._predict = model.predict
            self._for_model = []

    def _answered(self, bare: SignalBlock, predict: Predict) -> SignalBlock:
        assert bare.target is not None
        probabilities = predict(bare.x)
        hits, losses = score(probabilities, bare.target)
        return replace(bare, probabilities=probabilities, hits=hits, losses=losses)

    def _note(self, block: SignalBlock) -> None:
        point = {
            name: max(0.0, reading.log_evidence / max(reading.log_threshold, 1e-9))
            for name, reading in self._monitor.readings.items()
        }
        self._points.append((block.first_record + len(block) - 1, point))

    def _note_nothing(self, block: SignalBlock) -> None:
        """While it learns anew, so that a picture shows that nobody watched."""
        if self._first_watched is not None:
            self._points.append((block.first_record + len(block) - 1, {}))

    def _begin_event(self, alarms: Sequence[Alarm]) -> None:
        # The strongest knows best since when.
        since = max(alarms, key=lambda alarm: alarm.statistic).since_record
        first = self._diagnosis(since)
        event = Event(tuple(alarms), alarms[0].record, since, first, first)
        self._open = (event, SETTLE_BLOCKS)

    def _go_on(self) -> None:
        assert self._open is not None
        event, left = self._open
        if event.at_first.kind == "outage":
            # Nothing is learnt from it: what was ordinary before it is so after it.
            if not self._monitor.is_broken:
                over = self._latest[-1].first_record
                self._events.append(replace(event, until_record=over))
                self._open = None
                self._monitor.resume()
            return
        if left > 1:
            self._open = (event, left - 1)
            return
        self._settle(event)
        self._monitor.reset()
        self._river.reset()
        self._predict = self._release
        self._ordinary, self._latest = [], []

    def _settle(self, event: Event) -> None:
        self._open = None
        if event.at_first.kind == "outage":
            self._events.append(event)
            return
        settled = self._diagnosis(event.since_record)
        self._events.append(replace(event, settled=settled, tests=self._tests(event.since_record)))

    def _diagnosis(self, since: int) -> Diagnosis:
        return diagnose(self._profile, since_record=since, shape=self._schema.shape)

    def _tests(self, since: int) -> dict[str, Any]:
        recent = [block for block in self._latest if block.first_record >= since]
        if sum(map(len, recent)) < _FEWEST_TESTED or not self._ordinary:
            return {}
        after, before = joined(recent).x, joined(self._ordinary).x
        before = before[:: max(1, len(before) // _TESTED_RECORDS)][:_TESTED_RECORDS]
        after = after[-_TESTED_RECORDS:]
        seed = self._settings.seed
        embedding = mean_embedding_test(before, after, seed=seed)
        discriminator = discriminator_test(before, after, seed=seed)
        return {
            "mean_embedding": {"distance": embedding.statistic, "p_value": embedding.p_value},
            "discriminator": {"auc": discriminator.statistic, "p_value": discriminator.p_value},
        }


def _blocks(batches: Iterator[Batch], size: int) -> Iterator[SignalBlock]:
    """The same whatever batches the records come in; the rest that fills no block is left out."""
    rest: list[Batch] = []
    first = 0
    for batch in batches:
        rest.append(batch)
        if sum(map(len, rest)) < size:
            continue
        together = Batch.concatenate(rest)
        whole = len(together) // size * size
        for start in range(0, whole, size):
            own = together[start : start + size]
            yield SignalBlock(first + start, own.x, target=own.target, times=own.timestamps)
        first += whole
        rest = [together[whole:]]
