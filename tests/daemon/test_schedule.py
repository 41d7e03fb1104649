import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from adaptd.adaptation.trigger import TriggerQueue
from adaptd.clock import FakeClock, SystemClock
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


def test_an_interval_enqueues_again_and_again_and_records_no_run(
    schedule: Schedule, queue: TriggerQueue, database: Database
) -> None:
    schedule.add("s", ScheduleConfig(every_seconds=0.2))
    anchored = last_run(database)
    schedule.start()
    for _ in range(2):
        assert wait_for(queue, "s")
        trigger = queue.take("s")
        assert trigger is not None
        assert trigger.kind == "schedule"
    assert last_run(database) == anchored


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
    ran_at = SystemClock().now() - timedelta(seconds=600)
    with database.write() as connection:
        schedules.ran(connection, "s", at=ran_at, next_due=None)
    schedule.add("s", ScheduleConfig(every_seconds=3_600))
    schedule.start()
    assert schedule.next_due("s") == ran_at + timedelta(seconds=3_600)
    assert not queue.waiting("s")


def test_restarts_more_frequent_than_the_interval_do_not_put_it_off(
    database: Database, queue: TriggerQueue
) -> None:
    clock = FakeClock(SystemClock().now())
    first = clock.now()
    for _ in range(3):
        restarted = Schedule(database=database, queue=queue, clock=clock)
        restarted.add("s", ScheduleConfig(every_seconds=7 * 86_400))
        restarted.start()
        assert restarted.next_due("s") == first + timedelta(days=7)
        restarted.close()
        clock.advance(86_400)
    assert last_run(database) == first


def test_nothing_is_due_before_the_start_nor_without_a_trigger(schedule: Schedule) -> None:
    schedule.add("s", ScheduleConfig(cron="0 3 * * *"))
    schedule.add("other", ScheduleConfig())
    assert schedule.next_due("s") is None
    schedule.start()
    due = schedule.next_due("s")
    assert due is not None
    assert (due.hour, due.minute) == (3, 0)
    assert schedule.next_due("other") is None


def test_without_a_schedule_nothing_is_periodic() -> None:
    assert periodic(ScheduleConfig()) is None


def test_cron_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="fields"):
        periodic(ScheduleConfig(cron="every day"))
