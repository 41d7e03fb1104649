"""The last run outlives the scheduler."""

from datetime import timedelta

from sqlalchemy import select

from adaptd.clock import FakeClock
from adaptd.registry import schedules
from adaptd.store.database import Database
from adaptd.store.tables import schedules as table


def test_the_last_run_of_a_stream_and_what_was_due_next(
    database: Database, clock: FakeClock
) -> None:
    with database.read() as connection:
        assert schedules.last_run(connection, "pump") is None
    first = clock.now()
    clock.advance(3_600)
    with database.write() as connection:
        schedules.ran(connection, "pump", at=first, next_due=clock.now())
        schedules.ran(connection, "fan", at=first, next_due=None)
        schedules.ran(connection, "pump", at=clock.now(), next_due=clock.now() + timedelta(hours=1))
    with database.read() as connection:
        assert schedules.last_run(connection, "pump") == clock.now()
        assert schedules.last_run(connection, "fan") == first
        due = {row.stream: row.next_due for row in connection.execute(select(table))}
    assert due == {"pump": clock.now() + timedelta(hours=1), "fan": None}


def test_an_interval_that_was_anchored_has_begun_and_a_run_moves_it_on(
    database: Database, clock: FakeClock
) -> None:
    first = clock.now()
    with database.write() as connection:
        schedules.anchor(connection, "pump", at=first, next_due=first + timedelta(hours=1))
        assert schedules.last_run(connection, "pump") == first
        assert schedules.last_run(connection, "fan") is None
    clock.advance(3_600)
    with database.write() as connection:
        schedules.ran(connection, "pump", at=clock.now(), next_due=None)
        assert schedules.last_run(connection, "pump") == clock.now()
