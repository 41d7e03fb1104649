"""The periodic trigger. Jobs only enqueue; what was last run and is next due lives in the store."""

import math
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Connection

from adaptd.adaptation.trigger import Trigger, TriggerQueue
from adaptd.clock import Clock
from adaptd.config import ScheduleConfig
from adaptd.config.crontab import cron_trigger
from adaptd.errors import StaleEpochError, StoreUnavailable
from adaptd.registry import schedules
from adaptd.store import epochs
from adaptd.store.database import Database

log = structlog.get_logger()

# The smallest step that a datetime can take: the next run is later than now.
_INSTANT = timedelta(microseconds=1)


class Schedule:
    """APScheduler with a memory job store, rebuilt from the configuration at each start."""

    def __init__(self, *, database: Database, queue: TriggerQueue, clock: Clock) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock
        self._configs: dict[str, tuple[ScheduleConfig, int]] = {}
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            jobstores={"default": MemoryJobStore()},
            job_defaults={"coalesce": True, "max_instances": 1},
        )
        self._scheduler.add_listener(self._leave_out, EVENT_JOB_MISSED)

    def add(self, stream: str, config: ScheduleConfig, *, epoch: int) -> None:
        """Adds a stream's periodic trigger, if it has one. epoch: of the stream's owner.

        It goes on from what the store says is due. What has come due since is run once, now,
        unless it is later than its grace. Raises StoreUnavailable, and StaleEpochError where
        another process owns the stream now.
        """
        trigger, now = periodic(config), self._clock.now()
        with self._database.write() as connection:
            epochs.verify(connection, stream=stream, epoch=epoch)
            if trigger is None:
                schedules.remove(connection, stream)
                return
            due = expected(connection, stream, config, now=now)
            is_late = due is not None and due <= now
            if due is not None and is_late and _is_too_late(config, now - due):
                log.warning("schedule.left_out", stream=stream, was_due=due.isoformat())
                due, is_late = following(config, due=due, now=now), False
            elif due is not None and is_late:
                log.info("schedule.caught_up", stream=stream, was_due=due.isoformat())
                due = now
            schedules.expect(connection, stream, next_due=due, timing=timing(config))
        if is_late:
            self._fire(stream)
            due = following(config, due=now, now=now)
        if due is not None:
            self._configs[stream] = (config, epoch)
            self._scheduler.add_job(
                self._fire,
                trigger,
                args=(stream,),
                id=stream,
                next_run_time=due,
                misfire_grace_time=config.misfire_grace_seconds,
            )

    def remove(self, stream: str) -> None:
        """Takes the stream's trigger back, if it has one. Nothing of it is enqueued any more."""
        if self._scheduler.get_job(stream) is not None:
            self._scheduler.remove_job(stream)

    def start(self) -> None:
        """Begins to enqueue what comes due."""
        self._scheduler.start()

    def close(self) -> None:
        """Enqueues nothing more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def next_due(self, stream: str) -> datetime | None:
        """When the stream's trigger comes due next; None if it has none, or before `start`."""
        job = self._scheduler.get_job(stream)
        return None if job is None or job.pending else job.next_run_time

    def _fire(self, stream: str) -> None:
        # A run is recorded where the trigger is taken: one that was lost on the way comes again.
        self._queue.put(
            Trigger(kind="schedule", stream=stream, record=0, since_record=0, detail="periodic")
        )

    def _leave_out(self, event: JobExecutionEvent) -> None:
        """APScheduler has found a run later than its grace, as after a machine was asleep."""
        stream, now = event.job_id, self._clock.now()
        config, epoch = self._configs[stream]
        log.warning("schedule.left_out", stream=stream, was_due=event.scheduled_run_time)
        try:
            with self._database.write() as connection:
                epochs.verify(connection, stream=stream, epoch=epoch)
                pass_by(connection, stream, config, now=now)
        except (StoreUnavailable, StaleEpochError) as error:
            # What it shows is late until the next run, or another owner's to say; nothing else
            # hangs on it.
            log.warning("schedule.not_recorded", stream=stream, error=str(error))


def periodic(config: ScheduleConfig) -> IntervalTrigger | CronTrigger | None:
    """APScheduler's trigger for the configuration. Raises ValueError for a cron text it cannot
    read."""
    if config.every_seconds is not None:
        return IntervalTrigger(seconds=config.every_seconds, timezone="UTC")
    if config.cron is not None:
        return cron_trigger(config.cron, config.timezone)
    return None


def timing(config: ScheduleConfig) -> str:
    """What tells two schedules apart, for a person too. Empty for none."""
    if config.every_seconds is not None:
        return f"every {config.every_seconds:g} s"
    return "" if config.cron is None else f"{config.cron} ({config.timezone})"


def following(config: ScheduleConfig, *, due: datetime, now: datetime) -> datetime | None:
    """When it comes due next, after now; None for never. due: when it last did, which an interval
    is counted from."""
    if config.every_seconds is not None:
        if due > now:
            return due
        passed = (now - due).total_seconds() / config.every_seconds
        return due + timedelta(seconds=config.every_seconds) * (max(0, math.floor(passed)) + 1)
    trigger = periodic(config)
    found = None if trigger is None else trigger.get_next_fire_time(None, now + _INSTANT)
    # In UTC: within a zone whose clocks go back, times of the same hour are not what they seem.
    return found.astimezone(UTC) if isinstance(found, datetime) else None


def expected(
    connection: Connection, stream: str, config: ScheduleConfig, *, now: datetime
) -> datetime | None:
    """When the stream's schedule is due by the store: in the past for what nobody has run.

    An interval that began anew at each start would never end where starts are more frequent.
    """
    row = schedules.get(connection, stream)
    if row is not None and row.timing == timing(config):
        return row.next_due
    if config.every_seconds is not None and row is not None and row.last_run is not None:
        return row.last_run + timedelta(seconds=config.every_seconds)
    return following(config, due=now, now=now)


def settle(connection: Connection, stream: str, config: ScheduleConfig, *, now: datetime) -> None:
    """Records that the stream's schedule has run, and when it comes due next."""
    schedules.ran(connection, stream, at=now, next_due=_next(connection, stream, config, now))


def pass_by(connection: Connection, stream: str, config: ScheduleConfig, *, now: datetime) -> None:
    """Records that what was due will not be run."""
    schedules.put_off(connection, stream, next_due=_next(connection, stream, config, now))


def _next(
    connection: Connection, stream: str, config: ScheduleConfig, now: datetime
) -> datetime | None:
    row = schedules.get(connection, stream)
    due = now if row is None or row.next_due is None else row.next_due
    return following(config, due=due, now=now)


def _is_too_late(config: ScheduleConfig, late: timedelta) -> bool:
    grace = config.misfire_grace_seconds
    return grace is not None and late.total_seconds() > grace
