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
        """Adds a stream's periodic trigger, if it has one. An interval goes on from its last
        run."""
        trigger = periodic(config)
        if trigger is None:
            return
        options = {}
        if config.every_seconds is not None:
            with self._database.read() as connection:
                last = schedules.last_run(connection, stream)
            if last is not None:
                due = last + timedelta(seconds=config.every_seconds)
                options["next_run_time"] = max(due, self._clock.now())
        self._scheduler.add_job(self._fire, trigger, args=(stream,), id=stream, **options)

    def start(self) -> None:
        self._scheduler.start()

    def close(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _fire(self, stream: str) -> None:
        now = self._clock.now()
        self._queue.put(
            Trigger(kind="schedule", stream=stream, record=0, since_record=0, detail="periodic")
        )
        with self._database.write() as connection:
            schedules.ran(connection, stream, at=now, next_due=self._next_due(stream))

    def _next_due(self, stream: str) -> datetime | None:
        job = self._scheduler.get_job(stream)
        return job.next_run_time if job is not None else None


def periodic(config: ScheduleConfig) -> IntervalTrigger | CronTrigger | None:
    """APScheduler's trigger for the configuration. Raises ValueError for a cron text it cannot
    read."""
    if config.every_seconds is not None:
        return IntervalTrigger(seconds=config.every_seconds, timezone="UTC")
    if config.cron is not None:
        return CronTrigger.from_crontab(config.cron, timezone="UTC")
    return None
