"""`TriggerDesk`: which trigger begins an episode now, and why the others wait."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from adaptd.adaptation.hold import REASONS, Hold, Situation, hold
from adaptd.adaptation.trigger import KINDS, Trigger
from adaptd.daemon import recall
from adaptd.daemon.compute_meter import ComputeMeter
from adaptd.daemon.context import StreamContext
from adaptd.daemon.episode_log import EpisodeLog
from adaptd.daemon.schedule import pass_by, settle
from adaptd.registry import episodes, requests, waits
from adaptd.registry.requests import Request
from adaptd.registry.waits import Wait
from adaptd.stream.window import Window

log = structlog.get_logger()

# A person's request is looked for this often: quick for a person, nothing for the store.
REQUEST_SECONDS = 0.5


class TriggerDesk:
    """The triggers of one stream: drifts and the schedule's from the queue, requests from the
    store."""

    def __init__(
        self,
        context: StreamContext,
        *,
        window: Window,
        meter: ComputeMeter,
        is_sensor_broken: Callable[[], bool] = lambda: False,
    ) -> None:
        self._context = context
        self._window = window
        self._meter = meter
        self._is_sensor_broken = is_sensor_broken
        self._requests: list[Request] = []
        self._looked_at = float("-inf")
        # The records' time, the latest that has come; and where it was at the latest episode's end.
        self._time: float | None = None
        self._ended_at: float | None = None
        self._shown: tuple[Wait, ...] = ()
        for kind in KINDS:
            self._show_metrics(kind, None)

    @property
    def is_drift_waiting(self) -> bool:
        """Whether a drift waits for an episode of its own."""
        return any(trigger.kind == "drift" for trigger in self._queued())

    def state(self, *, is_episode_open: bool) -> dict[str, Any]:
        """What the checkpoint keeps beside the queue."""
        return {
            "time": self._time,
            "ended_at": self._ended_at,
            "is_episode_open": is_episode_open,
        }

    def restore(self, connection: Connection, state: dict[str, Any] | None) -> None:
        """Goes on where the checkpoint was. state: None in one of an earlier version."""
        stream = self._context.stream
        self._shown = tuple(waits.listing(connection, stream))
        for wait in self._shown:
            self._show_metrics(wait.kind, wait.reason)
        if state is None:
            return
        self._time, self._ended_at = state["time"], state["ended_at"]
        if state["is_episode_open"] and episodes.active(connection, stream) is None:
            # It ended in a transaction of its own, of which this checkpoint does not know yet.
            self._ended_at = self._time

    def step(self, episode_log: EpisodeLog) -> None:
        """Opens an episode for the first trigger that nothing holds, and shows why others wait."""
        self._look()
        self._time = latest(self._time, self._window.latest_time)
        triggers = self._waiting()
        holds: dict[str, Hold] = {}
        is_open = episode_log.current is not None
        if triggers:
            situation = self._situation(is_episode_open=is_open)
            for trigger in triggers:
                held = self._hold(trigger, situation)
                if held is not None:
                    holds[trigger.kind] = held
                elif not situation.is_episode_open:
                    self._open(trigger, episode_log)
                    situation = replace(situation, is_episode_open=True)
        self._show([one for one in triggers if one.kind in holds], holds)

    def ended(self) -> None:
        """An episode has ended: the cool-down begins."""
        self._ended_at = self._time = latest(self._time, self._window.latest_time)

    def put(self, trigger: Trigger) -> None:
        """Lets a trigger wait."""
        self._context.queue.put(trigger)

    def forget_before(self, record: int) -> None:
        """A release has learnt from what came before that record; a later drift it has never seen.

        A person's request stays: only an episode answers it.
        """
        context = self._context
        was_due = self._is_schedule_waiting
        context.queue.forget_before(context.stream, record)
        if was_due and not self._is_schedule_waiting:
            config, now = context.config.schedule, context.clock.now()
            context.ledger.add(
                lambda connection: pass_by(connection, context.stream, config, now=now)
            )

    def forget_drift(self) -> None:
        """Of a release that is gone."""
        self._context.queue.forget_drift(self._context.stream)

    @property
    def _is_schedule_waiting(self) -> bool:
        return any(trigger.kind == "schedule" for trigger in self._queued())

    def _look(self) -> None:
        now = self._context.clock.monotonic()
        # What was answered must be in the store before it is looked for.
        if self._context.ledger.is_urgent or now - self._looked_at < REQUEST_SECONDS:
            return
        self._looked_at = now
        with self._context.database.read() as connection:
            self._requests = requests.waiting(connection, self._context.stream)

    def _queued(self) -> list[Trigger]:
        return self._context.queue.waiting(self._context.stream)

    def _waiting(self) -> list[Trigger]:
        by_kind = {trigger.kind: trigger for trigger in self._queued()}
        for request in self._requests:
            asked = Trigger(
                kind="manual",
                stream=request.stream,
                record=0,
                since_record=0,
                detail=request.reason,
                actor=request.actor,
                is_over_budget=request.is_over_budget,
            )
            earlier = by_kind.get("manual")
            by_kind["manual"] = asked if earlier is None else earlier.merged_with(asked)
        return [by_kind[kind] for kind in KINDS if kind in by_kind]

    def _situation(self, *, is_episode_open: bool) -> Situation:
        return Situation(
            is_episode_open=is_episode_open,
            now=self._context.clock.now(),
            time=self._time,
            ended_at=self._ended_at,
            used_seconds=self._meter.used_today(),
            is_sensor_broken=self._is_sensor_broken(),
        )

    def _hold(self, trigger: Trigger, situation: Situation) -> Hold | None:
        return hold(
            trigger,
            situation,
            self._context.config.triggers,
            is_continued=recall.is_declined(trigger),
        )

    def _open(self, trigger: Trigger, episode_log: EpisodeLog) -> None:
        context, now = self._context, self._context.clock.now()
        context.queue.take(context.stream, (trigger.kind,))
        if trigger.kind != "drift":
            # It came from a thread or a process that knows the time but not the stream.
            newest = self._window.next_record - 1
            trigger = replace(trigger, record=newest, since_record=newest)
        if trigger.kind == "schedule":
            config = context.config.schedule
            context.ledger.add(
                lambda connection: settle(connection, context.stream, config, now=now)
            )
        episode = episode_log.open(trigger)
        if trigger.kind == "manual" and self._requests:
            ids, self._requests = [request.id for request in self._requests], []
            context.ledger.add(
                lambda connection: requests.answer(connection, ids=ids, episode_id=episode.id)
            )

    def _show(self, held: Iterable[Trigger], holds: dict[str, Hold]) -> None:
        """Writes, counts and logs what has changed since it was shown last."""
        before, now = {wait.kind: wait for wait in self._shown}, self._context.clock.now()
        shown = tuple(
            self._wait(trigger, holds[trigger.kind], before.get(trigger.kind), now)
            for trigger in held
        )
        if shown == self._shown:
            return
        stream, self._shown = self._context.stream, shown
        self._context.ledger.add(lambda connection: waits.show(connection, stream, shown))
        after = {wait.kind: wait for wait in shown}
        for kind in KINDS:
            wait, earlier = after.get(kind), before.get(kind)
            self._show_metrics(kind, None if wait is None else wait.reason)
            if wait is not None and (earlier is None or earlier.reason != wait.reason):
                log.info(
                    "trigger.waits",
                    stream=stream,
                    trigger=kind,
                    reason=wait.reason,
                    until=None if wait.until is None else wait.until.isoformat(),
                    until_time=wait.until_time,
                )

    def _wait(self, trigger: Trigger, held: Hold, before: Wait | None, now: datetime) -> Wait:
        since = now if before is None else before.since
        if trigger.kind == "manual" and self._requests:
            since = self._requests[0].asked_at
        return Wait(
            stream=self._context.stream,
            kind=trigger.kind,
            trigger=trigger.to_document(),
            since=since,
            reason=held.reason,
            until=held.until,
            until_time=held.until_time,
        )

    def _show_metrics(self, kind: str, reason: str | None) -> None:
        gauge, stream = self._context.metrics.triggers_waiting, self._context.stream
        for each in REASONS:
            gauge.labels(stream, kind, each).set(each == reason)


def latest(earlier: float | None, later: float | None) -> float | None:
    """The later of two times, of which either may be missing."""
    times = [time for time in (earlier, later) if time is not None]
    return max(times, default=None)
