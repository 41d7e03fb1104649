"""`SignalDesk`: what becomes of an alarm that no label stands behind."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Connection

from adaptd.adaptation.trigger import Trigger
from adaptd.architecture import Contract
from adaptd.config import StreamConfig
from adaptd.daemon.context import StreamContext
from adaptd.daemon.diagnosing import Diagnostician
from adaptd.drift.alarm import Alarm
from adaptd.drift.diagnosis import Diagnosis
from adaptd.observer.live_signals import LiveSignals
from adaptd.observer.observer import Observer
from adaptd.observer.outages import Outages
from adaptd.registry.alarms import Numbering
from adaptd.store import checkpoints
from adaptd.stream.batch import Batch

log = structlog.get_logger()

SCHEMA_VERSION = 1


def live_signals(config: StreamConfig, contract: Contract) -> LiveSignals | None:
    """What is watched beside the loss; None where nothing is wanted, or the window is shorter than
    what signals need to learn from."""
    alarm = config.alarm
    needed = alarm.reference_blocks * alarm.block_records
    if not alarm.signals:
        return None
    if config.window_records < needed:
        log.info(
            "signals.off",
            stream=config.name,
            reason=f"window_records is {config.window_records}, signals learn from {needed}",
        )
        return None
    return LiveSignals(contract, alarm)


@dataclass
class _Suspicion:
    """An unlabelled alarm that nothing is known of yet. since_time: event time of the change.
    first_record: number of the first labelled record since, None before it. labelled: how many."""

    signal: str
    since_time: float
    first_record: int | None = None
    labelled: int = 0


class SignalDesk:
    """Numbers records as they come, shows them to the observer, and follows up what it says.

    Without labels no episode can prove anything, so such an alarm is told at once and then waits
    until `settle_blocks` of labelled records since the change have come. Then the drift is
    diagnosed: an episode begins if it is of a kind that has a remedy and the release answers worse
    than before by more than `good_enough_points`; else the signals learn anew what is ordinary. A
    broken sensor needs no label: it is told, and holds, at once.
    """

    def __init__(
        self,
        context: StreamContext,
        *,
        contract: Contract,
        observer: Observer,
        outages: Outages,
        diagnostician: Diagnostician,
        tell: Callable[[Alarm, Numbering], None],
        hold: Callable[[Trigger, str], None],
        recover: Callable[[], None],
    ) -> None:
        """outages: is told of broken records, and is part of the state. tell: of an alarm, and what
        its numbers count. hold: an episode that ends at once, with what is broken. recover: the
        sensor is back."""
        self._context = context
        self._contract = contract
        self._observer = observer
        self._outages = outages
        self._diagnostician = diagnostician
        self._tell = tell
        self._hold = hold
        self._recover = recover
        # Records that came, and those that have their labels.
        self._arrived = self._labelled = 0
        self._numbering: Numbering = "labelled" if context.config.labels is None else "arrived"
        self._suspicion: _Suspicion | None = None
        self._is_broken = False
        self._shown_revision: int | None = None

    def see(self, batch: Batch, probabilities: NDArray[np.float32] | None) -> Iterator[slice]:
        """Takes records as they come, labelled or not, and gives them in parts, which are to be
        judged one after the other: an alarm or the end of an outage is followed up with the last
        record of its block, whatever was polled with it.

        probabilities: of the release, float32 [n, classes]; None before there is one.
        """
        begin, polled = 0, self._arrived
        if probabilities is None:
            self._arrived += len(batch)
            yield slice(0, len(batch))
            return
        while begin < len(batch):
            rest, first = slice(begin, None), self._arrived
            seen = self._observer.see(
                first, batch.x[rest], probabilities[rest], batch.timestamps[rest]
            )
            end = begin + seen.taken
            self._arrived += seen.taken
            self._outages.see(first, batch.positions[begin:end], self._observer.broken_blocks)
            if seen.alarms or bool(self._observer.broken) != self._is_broken:
                yield slice(begin, end - 1)
                begin = end - 1
                self._follow(seen.alarms, batch, polled)
            yield slice(begin, end)
            begin = end
        self._show()

    def on_labelled(self, batch: Batch, first_record: int) -> None:
        """Takes labelled records, which stand in the window by now."""
        self._labelled = first_record + len(batch)
        suspicion = self._suspicion
        if suspicion is None:
            return
        later = np.flatnonzero(batch.timestamps >= suspicion.since_time)
        if not len(later):
            return
        if suspicion.first_record is None:
            suspicion.first_record = first_record + int(later[0])
        suspicion.labelled += len(later)
        alarm = self._context.config.alarm
        if suspicion.labelled >= alarm.settle_blocks * alarm.block_records:
            self._settle(suspicion.signal, suspicion.first_record)

    def forget(self) -> None:
        """A drift is being answered, or has been: what was suspected is part of it."""
        self._suspicion = None

    @property
    def is_broken(self) -> bool:
        """Whether nothing is to be learnt from what comes now."""
        return self._is_broken

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "arrived": self._arrived,
            "suspicion": None if self._suspicion is None else asdict(self._suspicion),
            "is_broken": self._is_broken,
            "outages": self._outages.state(),
        }

    def save(self, connection: Connection) -> None:
        """How the signals stand, for people, in the checkpoint's transaction."""
        checkpoints.show(connection, self._context.stream, self._shown())

    def restore(self, state: Mapping[str, Any] | None, *, next_record: int) -> None:
        """Goes on where `state` was taken; from a checkpoint without it, with the window's number.
        next_record: of the window."""
        self._labelled = next_record
        if state is None:
            self._arrived = next_record
            return
        self._arrived = int(state["arrived"])
        suspicion = state["suspicion"]
        self._suspicion = None if suspicion is None else _Suspicion(**suspicion)
        self._is_broken = bool(state["is_broken"])
        # Not in a checkpoint of an earlier version.
        self._outages.restore(state.get("outages"))
        self._show()

    def _follow(self, raised: Sequence[Alarm], batch: Batch, polled: int) -> None:
        """polled: number of the batch's first record."""
        for alarm in raised:
            self._tell(alarm, self._numbering)
        broken = self._observer.broken
        if broken and not self._is_broken:
            self._begin_outage(broken, raised)
        elif self._is_broken and not broken:
            self._is_broken = False
            log.info("sensor.back", stream=self._context.stream)
            self._recover()
        elif raised and not broken and self._suspicion is None:
            # The strongest knows best since when. It lies among the records of this poll or before
            # them: of those before, the time of the poll's first is near enough.
            strongest = max(raised, key=lambda alarm: alarm.statistic)
            place = max(0, strongest.since_record - polled)
            self._suspicion = _Suspicion(strongest.signal, float(batch.timestamps[place]))

    def _begin_outage(self, broken: Mapping[int, str], raised: Sequence[Alarm]) -> None:
        self._is_broken, self._suspicion = True, None
        words = ", ".join(
            f"{self._contract.features[place]} {fault}" for place, fault in sorted(broken.items())
        )
        log.error("sensor.broken", stream=self._context.stream, channels=words)
        if self._numbering == "labelled":
            latest = self._arrived - 1
            since = min((alarm.since_record for alarm in raised), default=latest)
        else:
            # Episodes count labelled records: those of the broken sensor are yet to be.
            latest = since = max(0, self._labelled - 1)
        self._hold(
            Trigger(
                kind="drift",
                stream=self._context.stream,
                record=latest,
                since_record=since,
                detail="input-faults",
            ),
            words,
        )

    def _settle(self, signal: str, since_record: int) -> None:
        """There are labels enough to say what it is, and whether it does any harm."""
        self._suspicion = None
        diagnosis = self._diagnostician.diagnosis(since_record)
        kind = "unclear" if diagnosis is None else diagnosis.kind
        does_harm = diagnosis is not None and self._does_harm(diagnosis)
        log.info(
            "drift.settled",
            stream=self._context.stream,
            signal=signal,
            since_record=since_record,
            kind=kind,
            does_harm=does_harm,
        )
        if diagnosis is None or not does_harm or diagnosis.rungs == ("hold",):
            self._observer.accept()
            return
        self._observer.hush()
        self._context.metrics.drift_active.labels(self._context.stream).set(1)
        self._context.queue.put(
            Trigger(
                kind="drift",
                stream=self._context.stream,
                record=since_record + self._context.config.alarm.block_records,
                since_record=since_record,
                detail=signal,
            )
        )

    def _does_harm(self, diagnosis: Diagnosis) -> bool:
        margin = self._context.config.episode.good_enough_points
        answers = diagnosis.evidence.get("answers", {})
        if margin is None or "error_after" not in answers:
            return True
        return bool(answers["error_after"] - answers["error_before"] > margin / 100)

    def _shown(self) -> dict[str, Any] | None:
        """What the stream's page shows of the signals."""
        signals = self._observer.signals
        if signals is None:
            return None
        outage = self._outages.latest
        return {
            "is_watching": signals.is_watching,
            "evidence": {state.family: state.evidence for state in signals.states},
            "alarms_per_day": signals.alarms_per_day,
            "budget_per_day": self._context.config.alarm.per_day,
            "broken": {self._contract.features[at]: it for at, it in signals.faults.items()},
            "latest_outage": None if outage is None else [outage[0], outage[1] - 1],
        }

    def _show(self) -> None:
        signals = self._observer.signals
        if signals is None or signals.revision == self._shown_revision:
            return
        self._shown_revision = signals.revision
        metrics, stream = self._context.metrics, self._context.stream
        metrics.sensor_broken.labels(stream).set(self._is_broken)
        metrics.signals_watching.labels(stream).set(signals.is_watching)
        for state in signals.states:
            # What is not watched any more must not stand there as it last was.
            metrics.signal_evidence.labels(stream, state.family).set(state.evidence or 0.0)
        if signals.alarms_per_day is not None:
            metrics.alarms_per_day.labels(stream).set(signals.alarms_per_day)
