"""The queue as a person sees it."""

from dataclasses import replace

from adaptd.clock import FakeClock
from adaptd.registry import waits
from adaptd.registry.waits import Wait
from adaptd.store.database import Database


def test_what_is_shown_replaces_what_was_shown_of_that_stream(
    database: Database, clock: FakeClock
) -> None:
    drift = Wait("pump", "drift", {"kind": "drift"}, clock.now(), "cool-down", None, 1_000.5)
    schedule = replace(
        drift, kind="schedule", reason="quiet-hours", until=clock.now(), until_time=None
    )
    elsewhere = replace(drift, stream="fan")
    with database.write() as connection:
        waits.show(connection, "pump", [drift, schedule])
        waits.show(connection, "fan", [elsewhere])
        assert waits.listing(connection, "pump") == [drift, schedule]
        waits.show(connection, "pump", [schedule])
        assert waits.listing(connection, "pump") == [schedule]
        waits.show(connection, "pump", [])
        assert waits.listing(connection, "pump") == []
        assert waits.listing(connection, "fan") == [elsewhere]
