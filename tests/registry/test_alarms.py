"""Alarms, newest first."""

from adaptd.clock import FakeClock
from adaptd.registry import alarms
from adaptd.store.database import Database


def test_alarms_are_listed_newest_first_and_limited(database: Database, clock: FakeClock) -> None:
    made = []
    with database.write() as connection:
        for record in (900, 10_000, 2_000):
            clock.advance(1)
            made.append(
                alarms.add(
                    connection,
                    stream="pump",
                    signal="loss",
                    record=record,
                    since_record=record - 64,
                    statistic=0.75,
                    now=clock.now(),
                    numbering="arrived" if record > 9_000 else "labelled",
                )
            )
    first, second, third = made
    with database.read() as connection:
        # By time: records may be numbered as they came, or by their labels.
        assert alarms.listing(connection, "pump") == [third, second, first]
        assert alarms.listing(connection, "pump", 1) == [third]
        assert alarms.listing(connection, "fan") == []
    assert [row.numbering for row in made] == ["labelled", "arrived", "labelled"]
    assert (first.record, first.since_record, first.statistic) == (900, 836, 0.75)
