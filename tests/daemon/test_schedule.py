import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent

from adaptd.adaptation.trigger import TriggerQueue
from adaptd.clock import FakeClock, SystemClock
from adaptd.config import ScheduleConfig
from adaptd.daemon.schedule import Schedule, following, periodic, settle, timing
from adaptd.errors import StaleEpochError
from adaptd.registry import schedules
from adaptd.registry.schedules import ScheduleRow
from adaptd.store import epochs
from adaptd.store.database import Database


@pytest.fixture
def queue() -> TriggerQueue:
    return TriggerQueue()


@pytest.fixture
def schedule(database: Database, queue: TriggerQueue) -> Iterator[Schedule]:
    opened = Schedule(database=database, queue=queue, clock=SystemClock())
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def owned(database: Database) -> None:
    with database.write() as connection:
        for stream in ("s", "other"):
            epochs.acquire(connection, stream=stream, owner="test", now=SystemClock().now())


def row_of(database: Database) -> ScheduleRow:
    with database.read() as connection:
        row = schedules.get(connection, "s")
    assert row is not None
    return row


def was_due(database: Database, config: ScheduleConfig, *, ago: timedelta) -> datetime:
    """A daemon of before expected a run at that time, and was not there."""
    due = SystemClock().now() - ago
    with database.write() as connection:
        schedules.expect(connection, "s", next_due=due, timing=timing(config))
    return due


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
    schedule.add("s", ScheduleConfig(every_seconds=0.2), epoch=1)
    schedule.start()
    for _ in range(2):
        assert wait_for(queue, "s")
        trigger = queue.take("s")
        assert trigger is not None
        assert trigger.kind == "schedule"
    assert row_of(database).last_run is None


def test_the_first_run_of_an_interval_is_one_interval_away(
    schedule: Schedule, queue: TriggerQueue, database: Database
) -> None:
    before = SystemClock().now()
    schedule.add("s", ScheduleConfig(every_seconds=3_600), epoch=1)
    schedule.start()
    due = schedule.next_due("s")
    assert due is not None
    assert due - before >= timedelta(hours=1)
    assert row_of(database).next_due == due
    assert not queue.waiting("s")


@pytest.mark.parametrize(
    "config",
    [
        ScheduleConfig(every_seconds=3_600),
        ScheduleConfig(cron="0 3 * * *"),
        ScheduleConfig(cron="0 3 * * *", misfire_grace_seconds=10_000),
    ],
)
def test_what_came_due_while_nothing_ran_is_run_once_at_start(
    schedule: Schedule, queue: TriggerQueue, database: Database, config: ScheduleConfig
) -> None:
    was_due(database, config, ago=timedelta(hours=2))
    schedule.add("s", config, epoch=1)
    schedule.start()
    assert [trigger.kind for trigger in queue.waiting("s")] == ["schedule"]
    with database.write() as connection:
        settle(connection, "s", config, now=SystemClock().now())
    queue.take("s")
    again = Schedule(database=database, queue=queue, clock=SystemClock())
    again.add("s", config, epoch=1)
    again.start()
    expected, due = row_of(database).next_due, again.next_due("s")
    again.close()
    assert queue.waiting("s") == []
    assert due == expected == schedule.next_due("s")


def test_a_stream_that_is_taken_over_by_a_running_daemon_is_caught_up_too(
    schedule: Schedule, queue: TriggerQueue, database: Database
) -> None:
    config = ScheduleConfig(every_seconds=3_600)
    was_due(database, config, ago=timedelta(hours=2))
    schedule.start()
    schedule.add("s", config, epoch=1)
    assert [trigger.kind for trigger in queue.waiting("s")] == ["schedule"]
    schedule.remove("s")
    assert schedule.next_due("s") is None


def test_a_run_that_was_caught_up_and_lost_before_it_was_taken_comes_again(
    schedule: Schedule, queue: TriggerQueue, database: Database
) -> None:
    config = ScheduleConfig(cron="0 3 * * *")
    was_due(database, config, ago=timedelta(hours=2))
    for _ in range(2):
        queue.take("s")
        started = Schedule(database=database, queue=queue, clock=SystemClock())
        started.add("s", config, epoch=1)
        started.start()
        started.close()
        assert queue.waiting("s")


@pytest.mark.parametrize(
    "config",
    [
        ScheduleConfig(every_seconds=86_400, misfire_grace_seconds=7_000),
        ScheduleConfig(cron="0 3 * * *", misfire_grace_seconds=7_000),
    ],
)
def test_what_is_later_than_its_grace_is_left_out(
    schedule: Schedule, queue: TriggerQueue, database: Database, config: ScheduleConfig
) -> None:
    was = was_due(database, config, ago=timedelta(hours=2))
    schedule.add("s", config, epoch=1)
    schedule.start()
    assert not queue.waiting("s")
    due = schedule.next_due("s")
    assert due is not None
    assert due == row_of(database).next_due
    assert due > SystemClock().now()
    if config.every_seconds is not None:
        assert due == was + timedelta(days=1)


def test_another_timing_is_another_schedule_of_which_nothing_was_missed(
    schedule: Schedule, queue: TriggerQueue, database: Database
) -> None:
    was_due(database, ScheduleConfig(cron="0 3 * * *"), ago=timedelta(hours=2))
    schedule.add("s", ScheduleConfig(cron="0 4 * * *"), epoch=1)
    schedule.start()
    assert not queue.waiting("s")
    due = schedule.next_due("s")
    assert due is not None
    assert due.hour == 4


def test_another_interval_is_counted_from_the_last_run(
    schedule: Schedule, queue: TriggerQueue, database: Database
) -> None:
    ran_at = SystemClock().now() - timedelta(seconds=600)
    with database.write() as connection:
        schedules.ran(connection, "s", at=ran_at, next_due=ran_at + timedelta(days=7))
    schedule.add("s", ScheduleConfig(every_seconds=3_600), epoch=1)
    schedule.start()
    assert schedule.next_due("s") == ran_at + timedelta(seconds=3_600)
    assert not queue.waiting("s")


def test_a_schedule_that_is_taken_out_is_forgotten(schedule: Schedule, database: Database) -> None:
    was_due(database, ScheduleConfig(every_seconds=3_600), ago=timedelta(hours=2))
    schedule.add("s", ScheduleConfig(), epoch=1)
    with database.read() as connection:
        assert schedules.get(connection, "s") is None


def test_restarts_more_frequent_than_the_interval_do_not_put_it_off(
    database: Database, queue: TriggerQueue
) -> None:
    clock = FakeClock(SystemClock().now())
    first = clock.now()
    for _ in range(3):
        restarted = Schedule(database=database, queue=queue, clock=clock)
        restarted.add("s", ScheduleConfig(every_seconds=7 * 86_400), epoch=1)
        restarted.start()
        assert restarted.next_due("s") == first + timedelta(days=7)
        restarted.close()
        clock.advance(86_400)


def test_a_run_that_the_scheduler_itself_finds_too_late_is_left_out(
    schedule: Schedule, database: Database
) -> None:
    config = ScheduleConfig(every_seconds=3_600, misfire_grace_seconds=60)
    schedule.add("s", config, epoch=1)
    schedule.start()
    was_due(database, config, ago=timedelta(hours=2))
    schedule._scheduler._dispatch_event(
        JobExecutionEvent(EVENT_JOB_MISSED, "s", "default", SystemClock().now())
    )
    due = row_of(database).next_due
    assert due is not None
    assert due > SystemClock().now()


def test_a_run_that_waited_longer_than_its_interval_keeps_the_grid(database: Database) -> None:
    config, clock = ScheduleConfig(every_seconds=100), FakeClock()
    due = clock.now()
    clock.advance(250)
    with database.write() as connection:
        schedules.expect(connection, "s", next_due=due, timing=timing(config))
        settle(connection, "s", config, now=clock.now())
    assert row_of(database).last_run == clock.now()
    assert row_of(database).next_due == due + timedelta(seconds=300)


def test_cron_that_fired_at_this_very_instant_is_due_at_its_next_time() -> None:
    # Clocks in Berlin go back at 3:00 on 25 October 2026: there are two of 2:30.
    config = ScheduleConfig(cron="30 2 * * *", timezone="Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    second = following(config, due=first, now=first)
    assert second == first + timedelta(hours=1)
    assert following(config, due=second, now=second) == first + timedelta(hours=25)


def test_nothing_is_due_before_the_start_nor_without_a_trigger(schedule: Schedule) -> None:
    schedule.add("s", ScheduleConfig(cron="0 3 * * *"), epoch=1)
    schedule.add("other", ScheduleConfig(), epoch=1)
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


def test_who_owns_the_stream_no_longer_records_nothing(
    schedule: Schedule, queue: TriggerQueue, database: Database
) -> None:
    config = ScheduleConfig(every_seconds=3_600, misfire_grace_seconds=60)
    schedule.add("s", config, epoch=1)
    expected = row_of(database)
    with database.write() as connection:
        epochs.acquire(connection, stream="s", owner="newer", now=SystemClock().now())
    # A run that it comes too late for, and a start.
    due = SystemClock().now() + timedelta(hours=1)
    schedule._leave_out(JobExecutionEvent(EVENT_JOB_MISSED, "s", "default", due))
    with pytest.raises(StaleEpochError, match="newer"):
        schedule.add("s", ScheduleConfig(every_seconds=60), epoch=1)
    assert row_of(database) == expected
    assert queue.waiting("s") == []
