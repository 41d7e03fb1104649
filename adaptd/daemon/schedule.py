"""The periodic trigger. Jobs only enqueue; what was last run lives in the store."""

from datetime import datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from adaptd.adaptation.trigger import Trigger, TriggerQueue
from adaptd.clock import Clock
from adaptd.config import ScheduleConfig
from adaptd.registry import schedules
from adaptd.store.database import Database

# A run that is late by more than this is left out: the next one is as good.
MISFIRE_SECONDS = 3_600


class Schedule:
    """APScheduler with a memory job store, rebuilt from the configuration at each start."""

    def __init__(self, *, database: Database, queue: TriggerQueue, clock: Clock) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={
                "coalesce": True,
                "max_instances": 1,
                "misfire_grace_time": MISFIRE_SECONDS,
            },
        )

    def add(self, stream: str, config: ScheduleConfig) -> None:
        """Adds a stream's periodic trigger, if it has one.

        An interval goes on from its last run, or from when it was added for the first time. What
        has come due since is run once, now or at `start`. Raises StoreUnavailable.
        """
        trigger = periodic(config)
        if trigger is None:
            return
        options = {}
        if config.every_seconds is not None:
            due = self._due(stream, timedelta(seconds=config.every_seconds))
            options["next_run_time"] = max(due, self._clock.now())
        self._scheduler.add_job(self._fire, trigger, args=(stream,), id=stream, **options)

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

    def _due(self, stream: str, interval: timedelta) -> datetime:
        with self._database.write() as connection:
            last = schedules.last_run(connection, stream)
            if last is None:
                last = self._clock.now()
                schedules.anchor(connection, stream, at=last, next_due=last + interval)
        return last + interval


def periodic(config: ScheduleConfig) -> IntervalTrigger | CronTrigger | None:
    """APScheduler's trigger for the configuration. Raises ValueError for a cron text it cannot
    read."""
    if config.every_seconds is not None:
        return IntervalTrigger(seconds=config.every_seconds, timezone="UTC")
    if config.cron is not None:
        return CronTrigger.from_crontab(config.cron, timezone="UTC")
    return None
