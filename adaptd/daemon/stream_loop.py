"""One stream: poll, predict, observe, learn from it by proxy, checkpoint."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from adaptd.adaptation.trigger import Trigger
from adaptd.daemon.conductor import Conductor
from adaptd.daemon.context import StreamContext
from adaptd.daemon.first_release import FirstRelease
from adaptd.daemon.lineup import Lineup
from adaptd.daemon.memory import Memory
from adaptd.daemon.release_desk import ReleaseDesk
from adaptd.drift.alarm import Alarm
from adaptd.drift.monitor import SIGNALS
from adaptd.errors import StoreUnavailable
from adaptd.observer.observer import Observation, Observer
from adaptd.observer.score import score
from adaptd.registry import alarms, dead_letters, releases, scores
from adaptd.registry.dead_letters import DeadLetter
from adaptd.registry.episodes import OUTCOMES
from adaptd.registry.releases import Release
from adaptd.stream.batch import Batch
from adaptd.stream.reject import REASONS, Reject
from adaptd.stream.source import Source

log = structlog.get_logger()

# Records a poll; small enough that a stop is prompt and a paced stream looks smooth.
POLL_RECORDS = 256

# A checkpoint at least this often while records come: what a kill costs is this much predicting
# again.
CHECKPOINT_SECONDS = 1.0

# Blocks of the latest 1,000 records give the accuracy that the gauge shows.
ACCURACY_RECORDS = 1_000

# How long a stream rests after the store could not take its checkpoint.
STORE_RETRY_SECONDS = 1.0


class StreamLoop:
    """The loop of one stream. All that it holds is in the store at each checkpoint, with the
    positions."""

    def __init__(self, context: StreamContext, *, source: Source) -> None:
        self._context = context
        self._source = source
        with context.database.read() as connection:
            self._memory, document = Memory.open(context, connection, shape=source.schema.shape)
        contract = source.schema.contract()
        self._lineup = Lineup(contract)
        desk = ReleaseDesk(context, contract)
        self._observer = Observer(
            stream=context.stream, contract=contract, alarm=context.config.alarm
        )
        self._conductor = Conductor(
            context,
            contract=contract,
            window=self._memory.window,
            lineup=self._lineup,
            desk=desk,
            on_close=self._observer.resume_alarms,
        )
        self._first_release = FirstRelease(
            context,
            contract=contract,
            window=self._memory.window,
            desk=desk,
        )
        self._is_exhausted = False
        self._is_idle = False
        self._checkpoint_due = context.clock.monotonic() + CHECKPOINT_SECONDS
        self._resume_at = float("-inf")
        context.metrics.prepare(context.stream, signals=SIGNALS, reasons=REASONS, outcomes=OUTCOMES)
        with context.database.read() as connection:
            self._restore(connection, document)

    @property
    def stream(self) -> str:
        return self._context.stream

    @property
    def is_idle(self) -> bool:
        """True where a round did not wait for records, so that the caller should pause a little."""
        return self._is_idle

    @property
    def is_store_available(self) -> bool:
        """False while the latest checkpoint could not be written: the stream pauses."""
        return self._resume_at == float("-inf")

    def step(self, *, timeout_seconds: float) -> None:
        """One round. Waits for records no longer than the time-out.

        Raises SourceUnavailable while the source cannot be reached, StaleEpochError where
        another owner
        has taken over, WorkerFailed if the first model cannot be trained.
        """
        if self._context.clock.monotonic() < self._resume_at:
            self._is_idle = True
            return
        if self._lineup.release is None:
            release = self._first_release.step()
            wants_records = self._first_release.wants_records
        else:
            release = self._conductor.step(is_exhausted=self._is_exhausted)
            wants_records = True
        if release is not None:
            self._take_over(release)
        self._is_idle = self._is_exhausted or not wants_records
        if not self._is_idle and not self._context.ledger.is_urgent:
            self._poll(timeout_seconds)
        if (
            self._context.ledger.is_urgent
            or self._context.clock.monotonic() >= self._checkpoint_due
        ):
            self.checkpoint()

    def checkpoint(self) -> None:
        """Writes everything since the last one in one transaction, together with the positions."""
        clock = self._context.clock
        with self._context.metrics.checkpoint_seconds.labels(self.stream).time():
            try:
                self._memory.save(
                    {
                        "observer": self._observer.state(),
                        "conductor": self._conductor.state(),
                        "queue": [
                            trigger.to_document()
                            for trigger in self._context.queue.waiting(self.stream)
                        ],
                    }
                )
            except StoreUnavailable as error:
                if self.is_store_available:
                    log.error("store.unavailable", stream=self.stream, error=str(error))
                self._context.metrics.store_unavailable.labels(self.stream).inc()
                self._resume_at = clock.monotonic() + STORE_RETRY_SECONDS
                return
        self._resume_at = float("-inf")
        self._checkpoint_due = clock.monotonic() + CHECKPOINT_SECONDS

    def close(self) -> None:
        """Ends the worker, checkpoints, closes the source. What was learnt halfway is learnt
        again."""
        self._context.executor.stop()
        self.checkpoint()
        self._source.close()

    def _restore(self, connection: Connection, document: dict[str, Any] | None) -> None:
        self._source.seek(self._memory.positions)
        release = releases.current(connection, self.stream)
        if release is None:
            return
        self._lineup.enthrone(release, self._context.absolute(release.path))
        self._show_release(release)
        self._observer.reset(release.digest)
        if document is not None:
            if document["observer"]["release_digest"] == release.digest:
                self._observer.restore(document["observer"])
            for trigger in document.get("queue", ()):
                self._context.queue.put(Trigger.from_document(trigger))
            self._conductor.restore(connection, document["conductor"])
        log.info(
            "stream.resumed",
            stream=self.stream,
            release=release.number,
            next_record=self._memory.window.next_record,
        )

    def _poll(self, timeout_seconds: float) -> None:
        poll = self._source.poll(maximum=self._room(), timeout_seconds=timeout_seconds)
        now = self._context.clock.now()
        if poll.rejects:
            self._set_aside(poll.rejects, now)
        if len(poll.batch):
            first_record = self._memory.window.next_record
            if self._lineup.release is not None:
                self._observe(poll.batch, first_record, now)
            self._memory.append(poll.batch)
            self._context.metrics.records.labels(self.stream).inc(len(poll.batch))
        self._memory.positions.update(poll.positions)
        self._context.metrics.show_lag(self.stream, self._source.lag())
        if poll.is_exhausted and not self._is_exhausted:
            self._is_exhausted = True
            log.info(
                "stream.exhausted", stream=self.stream, records=self._memory.window.next_record
            )

    def _room(self) -> int:
        # Exactly the first window, so that release 1 does not depend on how the stream was polled.
        if self._lineup.release is None:
            return min(
                POLL_RECORDS, self._context.config.initial.records - self._memory.window.next_record
            )
        return POLL_RECORDS

    def _observe(self, batch: Batch, first_record: int, now: datetime) -> None:
        release = self._lineup.release
        if release is None:
            raise RuntimeError("only a champion can be observed")
        probabilities = self._lineup.predict(batch.x)
        observation = self._observer.observe(
            batch, first_record=first_record, probabilities=probabilities, at=now
        )
        self._record(observation, now)
        hits, _ = score(probabilities, batch.target)
        self._conductor.on_records(batch, first_record=first_record, champion_hits=hits)

    def _record(self, observation: Observation, now: datetime) -> None:
        metrics = self._context.metrics
        if observation.blocks:
            blocks = observation.blocks
            self._context.ledger.add(lambda connection: scores.add(connection, blocks))
            metrics.loss.labels(self.stream).set(blocks[-1].loss)
            accuracy = self._memory.accuracy_of(blocks, ACCURACY_RECORDS)
            metrics.accuracy.labels(self.stream).set(accuracy)
        for alarm in observation.alarms:
            self._alarm(alarm, now)

    def _alarm(self, alarm: Alarm, now: datetime) -> None:
        self._context.ledger.add(
            lambda connection: alarms.add(
                connection,
                stream=self.stream,
                signal=alarm.signal,
                record=alarm.record,
                since_record=alarm.since_record,
                statistic=alarm.statistic,
                now=now,
            ),
            is_urgent=True,
        )
        self._context.metrics.alarms.labels(self.stream, alarm.signal).inc()
        self._context.metrics.drift_active.labels(self.stream).set(1)
        self._context.queue.put(
            Trigger(
                kind="drift",
                stream=self.stream,
                record=alarm.record,
                since_record=alarm.since_record,
                detail=alarm.signal,
            )
        )
        log.warning(
            "drift.alarm",
            stream=self.stream,
            signal=alarm.signal,
            record=alarm.record,
            since_record=alarm.since_record,
            statistic=alarm.statistic,
        )

    def _set_aside(self, rejects: Sequence[Reject], now: datetime) -> None:
        rows = [DeadLetter(stream=self.stream, at=now, **asdict(reject)) for reject in rejects]
        self._context.ledger.add(lambda connection: dead_letters.add(connection, rows))
        for reject in rejects:
            self._context.metrics.rejected_records.labels(self.stream, reject.reason).inc()

    def _take_over(self, release: Release) -> None:
        self._lineup.enthrone(release, self._context.absolute(release.path))
        self._observer.reset(release.digest)
        self._context.queue.forget(self.stream)
        self._context.metrics.releases.labels(self.stream).inc()
        self._show_release(release)
        self.checkpoint()
        log.info(
            "release.published", stream=self.stream, number=release.number, digest=release.digest
        )

    def _show_release(self, release: Release) -> None:
        self._context.metrics.release.labels(self.stream).info(
            {"number": str(release.number), "digest": release.digest}
        )
