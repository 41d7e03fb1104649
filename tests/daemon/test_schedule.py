import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from adaptd.adaptation.trigger import TriggerQueue
from adaptd.clock import SystemClock
from adaptd.config import ScheduleConfig
from adaptd.daemon.schedule import Schedule, periodic
from adaptd.registry import schedules
from adaptd.store.database import Database


@pytest.fixture
def queue() -> TriggerQueue:
    return TriggerQueue()


@pytest.fixture
def schedule(database: Database, queue: TriggerQueue) -> Iterator[Schedule]:
    opened = Schedule(database=database, queue=queue, clock=SystemClock())
    yield opened
    opened.close()


def last_run(database: Database) -> datetime | None:
    with database.read() as connection:
        return schedules.last_run(connection, "s")


def wait_for(queue: TriggerQueue, stream: str) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if queue.waiting(stream):
            return True
        time.sleep(0.02)
    return False


def test_interval_enqueues_and_remembers_when(
    schedule: Schedule, queue: TriggerQueue, database: Database
) -> None:
    schedule.add("s", ScheduleConfig(every_seconds=0.2))
    schedule.start()
    assert wait_for(queue, "s")
    deadline = time.monotonic() + 30
    while last_run(database) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    trigger = queue.take("s")
    assert trigger is not None
    assert trigger.kind == "schedule"


def test_what_came_due_while_nothing_ran_is_run_at_start(
    schedule: Schedule, queue: TriggerQueue, database: Database
) -> None:
    clock = SystemClock()
    with database.write() as connection:
        schedules.ran(connection, "s", at=clock.now() - timedelta(hours=2), next_due=None)
    schedule.add("s", ScheduleConfig(every_seconds=3_600))
    schedule.start()
    assert wait_for(queue, "s")


def test_an_interval_goes_on_from_its_last_run(
    schedule: Schedule, queue: TriggerQueue, database: Database
) -> None:
    clock = SystemClock()
    with database.write() as connection:
        schedules.ran(connection, "s", at=clock.now() - timedelta(seconds=3_599), next_due=None)
    schedule.add("s", ScheduleConfig(every_seconds=3_600))
    schedule.start()
    assert wait_for(queue, "s")


def test_without_a_schedule_nothing_is_periodic() -> None:
    assert periodic(ScheduleConfig()) is None


def test_cron_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="fields"):
        periodic(ScheduleConfig(cron="every day"))
