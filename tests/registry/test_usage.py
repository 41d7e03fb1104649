"""Compute is counted by the day."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from adaptd.registry import usage
from adaptd.store.database import Database

TODAY = date(2026, 3, 1)


def test_seconds_add_up_by_stream_and_day(database: Database) -> None:
    with database.write() as connection:
        for seconds in (1.5, 2.25):
            usage.add(connection, stream="pump", day=TODAY, cpu_seconds=seconds)
        usage.add(connection, stream="fan", day=TODAY, cpu_seconds=8)
        usage.add(connection, stream="pump", day=date(2026, 3, 2), cpu_seconds=16)
        used = {
            (stream, day): usage.of_day(connection, stream=stream, day=date(2026, 3, day))
            for stream in ("pump", "fan")
            for day in (1, 2)
        }
    assert used == pytest.approx({("pump", 1): 3.75, ("pump", 2): 16, ("fan", 1): 8, ("fan", 2): 0})


def test_the_day_is_that_of_utc() -> None:
    east = timezone(timedelta(hours=9))
    assert usage.day_of(datetime(2026, 3, 2, 8, tzinfo=east)) == TODAY
    assert usage.day_of(datetime(2026, 3, 1, 23, 59, tzinfo=UTC)) == TODAY
