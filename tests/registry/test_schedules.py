"""The last run outlives the scheduler."""

from datetime import timedelta

from adaptd.clock import FakeClock
from adaptd.registry import schedules
from adaptd.registry.schedules import ScheduleRow
from adaptd.store.database import Database

HOUR = timedelta(hours=1)


def test_a_schedule_that_was_never_run_is_due_and_has_no_last_run(
    database: Database, clock: FakeClock
) -> None:
    with database.write() as connection:
        assert schedules.get(connection, "pump") is None
        schedules.expect(connection, "pump", next_due=clock.now() + HOUR, timing="every 3600 s")
        row = schedules.get(connection, "pump")
        assert schedules.get(connection, "fan") is None
    assert row == ScheduleRow("pump", None, clock.now() + HOUR, "every 3600 s")


def test_a_run_moves_it_on_and_a_run_that_is_put_off_leaves_the_last_one(
    database: Database, clock: FakeClock
) -> None:
    first = clock.now()
    with database.write() as connection:
        schedules.expect(connection, "pump", next_due=first, timing="every 3600 s")
        schedules.ran(connection, "pump", at=first, next_due=first + HOUR)
        assert schedules.get(connection, "pump") == ScheduleRow(
            "pump", first, first + HOUR, "every 3600 s"
        )
        schedules.put_off(connection, "pump", next_due=first + 2 * HOUR)
        assert schedules.get(connection, "pump") == ScheduleRow(
            "pump", first, first + 2 * HOUR, "every 3600 s"
        )


def test_a_schedule_that_is_removed_is_gone_and_no_other(
    database: Database, clock: FakeClock
) -> None:
    with database.write() as connection:
        for stream in ("pump", "fan"):
            schedules.ran(connection, stream, at=clock.now(), next_due=None)
        schedules.remove(connection, "pump")
        assert schedules.get(connection, "pump") is None
        assert schedules.get(connection, "fan") is not None
