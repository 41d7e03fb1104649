"""`Watchman`: watches a fresh release beside its predecessor, and goes back where it is worse."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from sqlalchemy import Connection

from adaptd.adaptation.watch import Watch
from adaptd.daemon.allowance import spend
from adaptd.daemon.context import StreamContext
from adaptd.daemon.lineup import Lineup
from adaptd.daemon.rollback import RollbackDesk, sentence
from adaptd.errors import ArtifactError, ConflictError
from adaptd.observer.answers import Answers
from adaptd.registry import episodes, releases, watches
from adaptd.registry.releases import Release
from adaptd.stream.window import Window

log = structlog.get_logger()

# A person's end of a watch is looked for this often.
LOOK_SECONDS = 0.5


class Watchman:
    """One stream's watch: begun with a release, ended by its verdict, a drift, the next release, a
    person or the configuration.

    Only what comes from an episode is watched: release 1 has no predecessor, and what a rollback
    brought back has just been proved better than its own.
    """

    def __init__(
        self,
        context: StreamContext,
        *,
        window: Window,
        lineup: Lineup,
        desk: RollbackDesk,
        on_rollback: Callable[[], None],
    ) -> None:
        """on_rollback: called when a release was taken back, and an open episode ended with it."""
        self._context = context
        self._window = window
        self._lineup = lineup
        self._desk = desk
        self._on_rollback = on_rollback
        # Whose watch is to begin or runs, and once it runs, beside whom.
        self._release: Release | None = None
        self._predecessor: Release | None = None
        self._watch: Watch | None = None
        self._looked_at = float("-inf")
        context.metrics.prepare_watches(context.stream, outcomes=watches.OUTCOMES)

    def state(self) -> dict[str, Any]:
        """What the checkpoint keeps: whose watch it is, and its counts once it has begun."""
        return {
            "release": None if self._release is None else self._release.digest,
            "watch": None if self._watch is None else self._watch.state(),
        }

    def restore(
        self,
        connection: Connection,
        state: Mapping[str, Any] | None,
        champion: Release,
        *,
        is_new: bool,
    ) -> None:
        """Goes on where `state` was taken; None is of a version without watches.

        is_new: the champion was published after that, right before the end of the process.
        """
        if is_new:
            running = watches.running(connection, self._context.stream)
            if running is not None:
                self._release = releases.get(connection, running.release_digest)
                self._end("superseded", f"release {champion.number} was published")
            self.on_release(champion)
        if state is None or state["release"] != champion.digest:
            return
        self._release = champion
        if state["watch"] is None:
            return
        self._predecessor = releases.get(connection, str(champion.parent))
        try:
            self._watch = Watch.restore(state["watch"])
            self._load(self._predecessor)
        except ArtifactError as error:
            self._end("damaged", str(error))
        except ValueError as error:
            self._end("ended", f"it was begun by another version of adaptd: {error}")
        else:
            if not self._context.config.watch.enabled:
                self._end("ended", "watch.enabled is false")
            else:
                self._show()

    def on_release(self, release: Release) -> None:
        """A release has taken over: its watch begins with the next `step`."""
        if self._watch is not None:
            self._end("superseded", f"release {release.number} was published")
        is_watched = release.episode_id is not None and release.parent is not None
        self._release = release if is_watched and self._context.config.watch.enabled else None

    def on_answers(self, answers: Answers) -> None:
        """Counts records that the release and its predecessor have both predicted."""
        watch, predecessor = self._watch, self._predecessor
        if self._release is None or watch is None or predecessor is None:
            return
        hits = [answers.hits.get(one.digest) for one in (self._release, predecessor)]
        # One of them is missing of records that had come before both were there.
        if hits[0] is not None and hits[1] is not None:
            watch.update(hits[0], hits[1], first_record=answers.first_record)
            self._show()

    def on_alarm(self, record: int) -> None:
        """A drift alarm was raised at a record. After it the two would be measured by another
        concept: the watch ends with what has been counted, and it is the episode's to compare them
        on what came since."""
        if self._release is None:
            return
        if self._watch is None:
            self._skip(self._release, "a drift came before it could begin")
        elif self._watch.verdict() == "watching":
            self._end("drift", f"a drift alarm was raised at record {record}")

    def step(self) -> Release | None:
        """Goes on as far as it can without waiting. Returns the predecessor's new release right
        after its publication."""
        # What the store is to know of the episode and of the tests has to be there.
        if self._release is None or self._context.ledger.is_urgent:
            return None
        if self._watch is None or self._predecessor is None:
            self._begin(self._release)
            return None
        match self._watch.verdict():
            case "worse":
                return self._go_back(self._release, self._predecessor, self._watch)
            case "kept":
                evidence = self._watch.evidence()
                self._end("kept", sentence(self._release, self._predecessor, evidence))
            case "watching" if self._is_drift_waiting:
                self._end("drift", "a drift was found without labels, and has its own episode")
            case "watching":
                now = self._context.clock.monotonic()
                if now - self._looked_at >= LOOK_SECONDS:
                    self._looked_at = now
                    self._look(self._release)
        return None

    @property
    def _is_drift_waiting(self) -> bool:
        waiting = self._context.queue.waiting(self._context.stream)
        return any(trigger.kind == "drift" for trigger in waiting)

    def save(self, connection: Connection) -> None:
        """How far it is, for people, in the checkpoint's transaction."""
        if self._watch is not None and self._release is not None:
            evidence = self._watch.evidence()
            watches.report(connection, self._release.digest, evidence=evidence)

    def _begin(self, release: Release) -> None:
        context = self._context
        with context.database.read() as connection:
            predecessor = releases.get(connection, str(release.parent))
        if self._is_drift_waiting:
            self._skip(release, "a drift that came before it waits for its episode")
            return
        if predecessor.contract != release.contract:
            self._skip(release, "its predecessor has another contract")
            return
        try:
            self._load(predecessor)
        except ArtifactError as error:
            context.metrics.watches.labels(context.stream, "damaged").inc()
            self._skip(release, str(error))
            return
        config = context.config.watch
        alpha = spend(context, episode=str(release.episode_id), kind="watch")
        watch = Watch(
            alpha=alpha,
            minimum_records=config.minimum_records,
            maximum_records=config.maximum_records,
        )
        evidence, now = watch.evidence(), context.clock.now()
        context.ledger.add(
            lambda connection: watches.begin(
                connection,
                stream=context.stream,
                release_digest=release.digest,
                predecessor_digest=predecessor.digest,
                evidence=evidence,
                now=now,
            ),
            is_urgent=True,
        )
        self._watch, self._predecessor = watch, predecessor
        self._show()
        log.info(
            "watch.begun",
            stream=context.stream,
            release=release.number,
            predecessor=predecessor.number,
        )

    def _load(self, predecessor: Release) -> None:
        """Raises ArtifactError if its files are not what was released: there is no way back."""
        self._lineup.load_predecessor(predecessor, self._context.absolute(predecessor.path))

    def _skip(self, release: Release, reason: str) -> None:
        log.warning(
            "watch.not_begun", stream=self._context.stream, release=release.number, reason=reason
        )
        self._forget()

    def _go_back(self, release: Release, predecessor: Release, watch: Watch) -> Release | None:
        try:
            back = self._desk.publish(
                release,
                predecessor,
                evidence=watch.evidence(),
                record=self._window.next_record,
            )
        except ArtifactError as error:
            log.error("rollback.impossible", stream=self._context.stream, error=str(error))
            self._end("damaged", f"it is proved worse, but there is no way back: {error}")
            return None
        except ConflictError as error:
            log.warning("rollback.refused", stream=self._context.stream, error=str(error))
            self._look(release)
            if self._watch is not None:
                self._end("superseded", str(error))
            return None
        log.warning(
            "release.rolled_back",
            stream=self._context.stream,
            release=release.number,
            predecessor=predecessor.number,
            reason=sentence(release, predecessor, watch.evidence()),
        )
        self._close("rolled-back")
        self._on_rollback()
        return back

    def _look(self, release: Release) -> None:
        """Whether somebody else has ended it."""
        with self._context.database.read() as connection:
            outcome = watches.get(connection, release.digest).outcome
            running = episodes.active(connection, self._context.stream)
        if outcome is not None:
            self._close(outcome)
        elif running is not None and running.trigger["kind"] == "drift":
            # What came before a release is settled with it.
            self._end("drift", f"the drift of episode {running.id} was found without labels")

    def _end(self, outcome: str, reason: str) -> None:
        """Ends the watch with the next commit, unless a person has ended it by then."""
        release, now = self._release, self._context.clock.now()
        evidence = None if self._watch is None else self._watch.evidence()
        if release is None:
            raise RuntimeError("no watch runs")
        self._context.ledger.add(
            lambda connection: watches.end(
                connection,
                release.digest,
                outcome=outcome,
                reason=reason,
                evidence=evidence,
                now=now,
            ),
            is_urgent=True,
        )
        self._close(outcome, reason=reason)

    def _close(self, outcome: str, *, reason: str | None = None) -> None:
        """Its end stands in the store already, or in the ledger."""
        metrics, stream = self._context.metrics, self._context.stream
        metrics.close_watch(stream, outcome)
        log.info(
            "watch.ended",
            stream=stream,
            release=None if self._release is None else self._release.number,
            outcome=outcome,
            reason=reason,
        )
        self._forget()

    def _forget(self) -> None:
        self._release = self._predecessor = self._watch = None
        self._lineup.drop_predecessor()

    def _show(self) -> None:
        if self._watch is None:
            return
        metrics, stream = self._context.metrics, self._context.stream
        metrics.watch_active.labels(stream).set(1)
        metrics.watch_records.labels(stream).set(self._watch.records)
        metrics.watch_log_e_value.labels(stream).set(self._watch.log_e_value)
        metrics.watch_log_e_needed.labels(stream).set(-math.log(self._watch.alpha))
