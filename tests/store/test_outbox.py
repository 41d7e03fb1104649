"""At least once, in order."""

from contextlib import suppress

from sqlalchemy import select

from adaptd.clock import FakeClock
from adaptd.store import outbox
from adaptd.store.database import Database
from adaptd.store.tables import outbox as table


def test_an_event_is_pending_until_it_is_marked(database: Database, clock: FakeClock) -> None:
    with database.write() as connection:
        identifier = outbox.add(
            connection, stream="pump", kind="release", document={"n": 1}, now=clock.now()
        )
    with database.read() as connection:
        assert outbox.pending(connection) == [
            outbox.Event(identifier, "pump", "release", {"n": 1}, clock.now())
        ]
    with database.write() as connection:
        outbox.mark_sent(connection, [identifier], now=clock.now())
        outbox.mark_sent(connection, [identifier, "unknown"], now=clock.now())
    with database.read() as connection:
        assert outbox.pending(connection) == []


def test_events_come_in_the_order_they_were_added_whatever_the_clock_says(
    database: Database, clock: FakeClock
) -> None:
    earlier = FakeClock(clock.now().replace(year=2020))
    times = [clock.now(), earlier.now(), clock.now(), clock.now()]
    with database.write() as connection:
        ids = [
            outbox.add(connection, stream="pump", kind="k", document={}, now=now) for now in times
        ]
    assert len(set(ids)) == len(ids)
    with database.write() as connection:
        assert [event.id for event in outbox.pending(connection)] == ids
        assert [event.id for event in outbox.pending(connection, limit=2)] == ids[:2]
        outbox.mark_sent(connection, ids[1:2], now=clock.now())
        assert [event.id for event in outbox.pending(connection)] == [ids[0], *ids[2:]]


def test_an_event_of_a_transaction_that_failed_is_never_sent(
    database: Database, clock: FakeClock
) -> None:
    with suppress(KeyError), database.write() as connection:
        outbox.add(connection, stream="pump", kind="k", document={}, now=clock.now())
        raise KeyError
    with database.read() as connection:
        assert outbox.pending(connection) == []


def test_what_nobody_sends_does_not_fill_the_limit(database: Database, clock: FakeClock) -> None:
    with database.write() as connection:
        for stream in ("gone", "gone", "pump"):
            outbox.add(connection, stream=stream, kind="k", document={}, now=clock.now())
        found = outbox.pending(connection, limit=2, streams={"pump", "fan"})
    assert [event.stream for event in found] == ["pump"]


def test_the_latest_sent_events_of_each_stream_are_kept_and_all_that_wait(
    database: Database, clock: FakeClock
) -> None:
    def ids(stream: str) -> list[str]:
        query = select(table.c.id).where(table.c.stream == stream).order_by(table.c.number)
        return list(connection.scalars(query))

    def post(stream: str) -> str:
        return outbox.add(connection, stream=stream, kind="k", document={}, now=clock.now())

    with database.write() as connection:
        waiting = post("pump")
        fan = [post("fan") for _ in range(3)]
        outbox.mark_sent(connection, fan, now=clock.now())
        sent = [post("pump") for _ in range(outbox.KEPT + 2)]
        outbox.mark_sent(connection, sent[:-1], now=clock.now())
        assert ids("pump") == [waiting, *sent[1:]]
        outbox.mark_sent(connection, sent[-1:], now=clock.now())
        assert ids("pump") == [waiting, *sent[2:]]
        assert ids("fan") == fan
