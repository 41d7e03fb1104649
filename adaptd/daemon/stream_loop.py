"""One stream: poll, predict, observe, learn from it by proxy, checkpoint."""

from collections.abc import Iterator
from typing import Any

import structlog
from sqlalchemy import Connection

from adaptd.adaptation.trigger import Trigger
from adaptd.architecture import Contract
from adaptd.daemon.alarm_desk import AlarmDesk
from adaptd.daemon.compute_meter import ComputeMeter
from adaptd.daemon.conductor import Conductor
from adaptd.daemon.context import StreamContext
from adaptd.daemon.evidence_feed import EvidenceFeed
from adaptd.daemon.first_release import FirstRelease
from adaptd.daemon.intake import Intake
from adaptd.daemon.lineup import Lineup
from adaptd.daemon.memory import Memory
from adaptd.daemon.release_desk import ReleaseDesk
from adaptd.daemon.rollback import RollbackDesk
from adaptd.daemon.signal_desk import SignalDesk, live_signals
from adaptd.daemon.store_watch import StoreWatch
from adaptd.daemon.trigger_desk import TriggerDesk
from adaptd.daemon.watchman import Watchman
from adaptd.drift.alarm import Alarm
from adaptd.drift.monitor import SIGNALS
from adaptd.errors import (
    ConfigError,
    SourceError,
    StoreUnavailable,
    StoreUncertain,
)
from adaptd.observer.answers import Answers
from adaptd.observer.joined import Joined, Predictions
from adaptd.observer.observer import Observation, Observer
from adaptd.observer.outages import Outages
from adaptd.observer.score import certain
from adaptd.registry import releases, scores
from adaptd.registry.episodes import OUTCOMES
from adaptd.registry.releases import Release
from adaptd.stream.batch import Batch
from adaptd.stream.labels import LabelSource
from adaptd.stream.reject import REASONS
from adaptd.stream.source import Poll, Source

log = structlog.get_logger()

SCHEMA_VERSION = 1

# Records a poll; small enough that a stop is prompt and a paced stream looks smooth.
POLL_RECORDS = 256

# Enough records for an accuracy within 3 points, few enough that a drift shows within minutes.
ACCURACY_RECORDS = 1_000

# How often a stream looks whether it is still this process's own. One that was stopped for longer
# looks first, before it touches a file.
VERIFY_SECONDS = 1.0


class StreamLoop:
    """The loop of one stream. All that it holds is in the store at each checkpoint, with the
    positions."""

    def __init__(
        self, context: StreamContext, *, source: Source, labels: LabelSource | None = None
    ) -> None:
        """labels: where they come from if not with the records."""
        self._context = context
        contract = source.schema.contract()
        with context.database.read() as connection:
            _check_schema(context, releases.current(connection, context.stream), contract)
            self._memory, document = Memory.open(context, connection, shape=source.schema.shape)
        self._lineup = Lineup(contract)
        desk = ReleaseDesk(context, contract)
        signals = live_signals(context.config, contract)
        self._observer = Observer(
            stream=context.stream,
            contract=contract,
            alarm=context.config.alarm,
            signals=signals,
        )
        self._outages = Outages(
            context.config.alarm.block_records,
            is_watched=signals is not None and signals.watches_outages,
        )
        self._alarms = AlarmDesk(context, family_of=self._observer.family_of)
        self._meter = ComputeMeter(context)
        self._conductor = Conductor(
            context,
            contract=contract,
            window=self._memory.window,
            lineup=self._lineup,
            desk=desk,
            triggers=TriggerDesk(
                context,
                window=self._memory.window,
                meter=self._meter,
                is_sensor_broken=lambda: self._observer.is_sensor_broken,
            ),
            outages=self._outages,
            on_close=self._resume_alarms,
        )
        self._signals = SignalDesk(
            context,
            contract=contract,
            observer=self._observer,
            outages=self._outages,
            diagnostician=self._conductor.diagnostician,
            tell=self._alarms.tell,
            hold=self._conductor.hold,
            recover=self._recover,
        )
        self._watchman = Watchman(
            context,
            window=self._memory.window,
            lineup=self._lineup,
            desk=RollbackDesk(context, desk),
            on_rollback=self._conductor.give_way,
        )
        self._evidence = EvidenceFeed(
            context,
            outages=self._outages,
            count=[self._conductor.on_answers, self._watchman.on_answers],
        )
        self._first_release = FirstRelease(
            context,
            contract=contract,
            window=self._memory.window,
            desk=desk,
        )
        self._intake = Intake(
            context,
            source=source,
            labels=labels,
            memory=self._memory,
            predict=self._predict,
            see=self._see,
            take=self._take,
        )
        self._is_exhausted = False
        self._is_idle = True
        self._checkpoint_due = context.clock.monotonic() + context.config.checkpoint.seconds
        self._is_whole = True
        self._store = StoreWatch(context)
        self._verify_at = float("-inf")
        families = () if signals is None else signals.families
        context.metrics.prepare(
            context.stream,
            signals=sorted({*SIGNALS, *families}),
            reasons=REASONS,
            outcomes=OUTCOMES,
        )
        context.metrics.alarm_budget_per_day.labels(context.stream).set(
            context.config.alarm.per_day
        )
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
    def trouble(self) -> str | None:
        """Why records do not flow now, for readiness; None where they do."""
        return self._store.trouble or self._intake.trouble

    def step(self, *, timeout_seconds: float) -> None:
        """One round. Waits for records no longer than the time-out.

        A source or a store that cannot be reached is retried in later rounds, while what needs
        neither goes on. Raises WorkerFailed where the first training has to begin again,
        StoreUncertain where the loop has to be opened anew from what the store holds, and for
        good: StaleEpochError where another owner has taken over, JobError if the first model can
        never be trained, SourceError if the source can never be read on.
        """
        try:
            self._step(timeout_seconds)
        except StoreUncertain:
            raise
        except StoreUnavailable as error:
            # Of a release or of an episode's records: they are written when they come about.
            self._pause(error)
        except OSError:
            # A file of one that was stopped in the middle of a round may be gone: its next owner
            # has swept it.
            self._context.ledger.verify(self._context.database)
            raise

    def _step(self, timeout_seconds: float) -> None:
        now = self._context.clock.monotonic()
        self._is_idle = True
        if self._store.is_resting:
            return
        if now >= self._verify_at:
            self._context.ledger.verify(self._context.database)
            self._verify_at = now + VERIFY_SECONDS
        self._is_whole = False
        if self._lineup.release is None:
            release = self._first_release.step()
            wants_records = self._first_release.wants_records
        else:
            release = self._watchman.step()
            # What has just been spent of alpha, or was not taken by the store, comes first.
            if release is None and not self._context.ledger.is_urgent:
                release = self._conductor.step(is_exhausted=self._is_exhausted)
            wants_records = True
        if release is not None:
            self._take_over(release)
        if (
            wants_records
            and not self._is_exhausted
            and not self._context.ledger.is_urgent
            and self._store.trouble is None
        ):
            self._poll(timeout_seconds)
        self._is_whole = True
        if (
            self._context.ledger.is_urgent
            or self._context.clock.monotonic() >= self._checkpoint_due
            or self._unsaved >= self._context.config.checkpoint.records
        ):
            self.checkpoint()

    @property
    def _unsaved(self) -> int:
        return self._memory.unsaved_records + self._intake.unsaved

    def checkpoint(self) -> None:
        """Writes everything since the last one in one transaction, together with the positions."""
        clock = self._context.clock
        with self._context.metrics.checkpoint_seconds.labels(self.stream).time():
            try:
                self._meter.count()
                self._memory.save(
                    {
                        "schema_version": SCHEMA_VERSION,
                        "observer": self._observer.state(),
                        "signals": self._signals.state(),
                        "conductor": self._conductor.state(),
                        "watch": self._watchman.state(),
                        "evidence": self._evidence.state(),
                        **self._intake.state(),
                        "queue": [
                            trigger.to_document()
                            for trigger in self._context.queue.waiting(self.stream)
                        ],
                    },
                    self._watchman.save,
                    self._signals.save,
                    self._intake.save,
                )
            except StoreUncertain:
                raise
            except StoreUnavailable as error:
                self._pause(error)
                return
        self._intake.settle()
        self._store.succeeded()
        self._checkpoint_due = clock.monotonic() + self._context.config.checkpoint.seconds

    def close(self) -> None:
        """Ends the worker, checkpoints, closes the source. A worker goes on from where it stood.

        A round that an error broke off is not checkpointed: its records are read again.
        """
        try:
            self._end_work()
            if self._is_whole:
                self.checkpoint()
        finally:
            self._intake.close()

    def abandon(self) -> None:
        """Ends the worker and closes the source; what the store does not hold yet has not been."""
        self._end_work()
        self._intake.close()

    def _end_work(self) -> None:
        self._first_release.close()
        self._conductor.close()

    def _pause(self, error: StoreUnavailable) -> None:
        """No record is taken before a checkpoint has succeeded, which is tried after a rest."""
        self._store.failed(error)
        self._checkpoint_due = self._context.clock.monotonic()

    def _restore(self, connection: Connection, document: dict[str, Any] | None) -> None:
        self._intake.restore(connection, document)
        self._signals.restore(
            None if document is None else document.get("signals"),
            next_record=self._memory.window.next_record,
        )
        release = releases.current(connection, self.stream)
        if release is None:
            return
        self._lineup.set_champion(release, self._context.absolute(release.path))
        self._show_release(release)
        self._observer.reset(release.digest)
        if document is not None:
            is_new = document["observer"]["release_digest"] != release.digest
            self._observer.restore(document["observer"])
            self._evidence.restore(document.get("evidence"))
            if is_new:
                self._observer.reset(release.digest)
            self._watchman.restore(connection, document.get("watch"), release, is_new=is_new)
            for trigger in document.get("queue", ()):
                self._context.queue.put(Trigger.from_document(trigger))
            if is_new:
                # It was published in a transaction of its own, of which the checkpoint knows
                # nothing yet: a drift from before is settled.
                self._context.queue.forget_drift(self.stream)
            self._conductor.restore(connection, document["conductor"])
        self._learn_sensors()
        log.info(
            "stream.resumed",
            stream=self.stream,
            release=release.number,
            next_record=self._memory.window.next_record,
        )

    def _poll(self, timeout_seconds: float) -> None:
        if not self._intake.poll(room=self._room, timeout_seconds=timeout_seconds):
            return
        self._is_idle = False
        if self._intake.is_over:
            self._is_exhausted = True
            self._evidence.flush()
            self._check_first_window()
            log.info(
                "stream.exhausted", stream=self.stream, records=self._memory.window.next_record
            )

    def _predict(self, poll: Poll) -> Predictions:
        predictions = self._lineup.predict(poll.batch.x)
        release = self._lineup.release
        if poll.prediction is not None and release is not None:
            # Where records say what the deployed model answered, that is what is observed.
            predictions[release.digest] = certain(poll.prediction, predictions[release.digest])
        return predictions

    def _see(self, batch: Batch, predictions: Predictions) -> Iterator[slice]:
        release = self._lineup.release
        return self._signals.see(batch, None if release is None else predictions[release.digest])

    def _take(self, joined: Joined) -> None:
        """Labelled records: what was predicted of them is judged, and they may be trained on."""
        first_record = self._memory.window.next_record
        self._observe(joined, first_record)
        self._memory.append(joined.batch)
        self._signals.on_labelled(joined.batch, first_record)
        self._context.metrics.records.labels(self.stream).inc(len(joined.batch))

    def _check_first_window(self) -> None:
        records, needed = len(self._memory.window), self._context.config.initial.records
        if self._lineup.release is None and records < needed:
            raise SourceError(
                f"stream {self.stream} ended after {records} records; "
                f"release 1 needs {needed} (initial.records)"
            )

    def _room(self) -> int:
        # Exactly the first window, so that all later records are observed.
        if self._lineup.release is None and not self._intake.has_labels_later:
            return min(
                POLL_RECORDS, self._context.config.initial.records - len(self._memory.window)
            )
        return POLL_RECORDS

    def _observe(self, joined: Joined, first_record: int) -> None:
        # Of the release that is there now: what an earlier one said is no longer of interest, and
        # what came before the first one, nobody has predicted.
        release = self._lineup.release
        probabilities = None if release is None else joined.predictions.get(release.digest)
        if probabilities is None:
            return
        observation = self._observer.observe(
            joined.batch,
            first_record=first_record,
            probabilities=probabilities,
            at=self._context.clock.now(),
            is_broken=self._outages.were_known(joined.batch.positions),
        )
        self._record(observation)
        answers = Answers.of(joined, first_record=first_record)
        if observation.alarms:
            # Not where the poll happens to end: the same records give the same verdict.
            record = observation.alarms[0].record
            until = max(0, record - first_record + 1)
            self._evidence.put(answers[:until])
            self._watchman.on_alarm(record)
            answers = answers[until:]
        self._evidence.put(answers)

    def _record(self, observation: Observation) -> None:
        metrics = self._context.metrics
        if observation.blocks:
            blocks = observation.blocks
            self._context.ledger.add(lambda connection: scores.add(connection, blocks))
            metrics.loss.labels(self.stream).set(blocks[-1].loss)
            accuracy = self._memory.accuracy_of(blocks, ACCURACY_RECORDS)
            metrics.accuracy.labels(self.stream).set(accuracy)
        for alarm in observation.alarms:
            self._alarm(alarm)

    def _resume_alarms(self, outcome: str) -> None:
        self._signals.forget()
        if outcome == "held":
            self._observer.resume_after_outage()
        else:
            self._observer.resume_alarms()

    def _recover(self) -> None:
        if not self._conductor.is_after_drift:
            self._observer.resume_after_outage()

    def _alarm(self, alarm: Alarm) -> None:
        """Of what needs labels: there is something to learn from, unless a sensor is broken."""
        self._alarms.tell(alarm)
        self._signals.forget()
        if not self._signals.is_broken:
            self._alarms.ask(alarm)

    def _learn_sensors(self) -> None:
        """Of release 1, and after a change of what is watched: from what is there of the stream, so
        that a sensor that breaks while signals learn is known."""
        signals, window = self._observer.signals, self._memory.window
        if signals is not None and not signals.knows_sensors:
            records = window.between(window.first_record, window.next_record)
            signals.learn_sensors(records.x[~self._outages.are_broken(records.positions)])

    def _take_over(self, release: Release) -> None:
        self._lineup.set_champion(release, self._context.absolute(release.path))
        self._observer.reset(release.digest)
        self._learn_sensors()
        self._signals.forget()
        self._context.metrics.releases.labels(self.stream).inc()
        self._show_release(release)
        self._watchman.on_release(release)
        self.checkpoint()
        log.info(
            "release.published", stream=self.stream, number=release.number, digest=release.digest
        )

    def _show_release(self, release: Release) -> None:
        self._context.metrics.release.labels(self.stream).info(
            {"number": str(release.number), "digest": release.digest}
        )


def _check_schema(context: StreamContext, champion: Release | None, contract: Contract) -> None:
    if champion is None or champion.contract.schema_digest == contract.schema_digest:
        return
    released = champion.contract
    raise ConfigError(
        f"stream {context.stream}: record: release {champion.number} takes shape "
        f"{list(released.shape)} and gives classes {list(released.classes)}, got "
        f"{list(contract.shape)} and {list(contract.classes)}; another schema is another lineage "
        "of releases: give it another state_directory or another stream name"
    )
