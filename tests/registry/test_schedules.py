"""The last run outlives the scheduler."""

from datetime import timedelta

from adaptd.clock import FakeClock
from adaptd.registry import schedules
from adaptd.store.database import Database


def test_the_last_run_of_a_stream_and_what_was_due_next(
    database: Database, clock: FakeClock
) -> None:
    with database.read() as connection:
        assert schedules.last_run(connection, "pump") is None
        assert schedules.next_due(connection, "pump") is None
    first = clock.now()
    clock.advance(3_600)
    with database.write() as connection:
        schedules.ran(connection, "pump", at=first, next_due=clock.now())
        schedules.ran(connection, "fan", at=first, next_due=None)
        schedules.ran(connection, "pump", at=clock.now(), next_due=clock.now() + timedelta(hours=1))
    with database.read() as connection:
        assert schedules.last_run(connection, "pump") == clock.now()
        assert schedules.next_due(connection, "pump") == clock.now() + timedelta(hours=1)
        assert schedules.last_run(connection, "fan") == first
        assert schedules.next_due(connection, "fan") is None
