"""Every one counted, the latest kept."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adaptd.clock import FakeClock
from adaptd.errors import DeliveryBehind
from adaptd.registry import dead_letters
from adaptd.registry.dead_letters import KEPT, MOST_WAITING, DeadLetter
from adaptd.store.database import Database
from adaptd.store.tables import dead_letter_counts
from adaptd.store.tables import dead_letters as table

NOW = FakeClock().now()


def _letter(offset: int, *, reason: str = "wrong-shape", stream: str = "pump") -> DeadLetter:
    return DeadLetter(stream, reason, 0, offset, "expected 64 numbers, got 3", b"[1,2,3]", NOW)


def test_letters_come_back_newest_first(database: Database) -> None:
    letters = [_letter(offset) for offset in (5, 3, 9)]
    with database.write() as connection:
        dead_letters.add(connection, [])
        dead_letters.add(connection, letters)
        dead_letters.add(connection, [_letter(0, stream="fan")])
    with database.read() as connection:
        assert dead_letters.listing(connection, "pump") == letters[::-1]
        assert dead_letters.listing(connection, "pump", 1) == letters[2:]
        assert dead_letters.listing(connection, "fan") == [_letter(0, stream="fan")]


def delivered(database: Database, stream: str = "pump") -> list[DeadLetter]:
    """Delivers all that wait, as the relay does."""
    found: list[DeadLetter] = []
    while True:
        with database.write() as connection:
            waiting = dead_letters.pending(connection, stream)
            if not waiting:
                return found
            found += [letter for _, letter in waiting]
            dead_letters.mark_sent(connection, stream, up_to=waiting[-1][0], now=NOW)


def test_a_long_payload_is_whole_until_it_is_delivered_and_then_cut(database: Database) -> None:
    letter = DeadLetter("pump", "unreadable", 0, 0, "too long", bytes(range(256)) * 100, NOW)
    with database.write() as connection:
        dead_letters.add(connection, [letter])
    assert delivered(database) == [letter]
    with database.read() as connection:
        [kept] = dead_letters.listing(connection, "pump")
    assert kept.payload == letter.payload[:4_096]


def test_a_letter_of_no_bytes_is_delivered_and_kept_as_it_is(database: Database) -> None:
    letter = DeadLetter("pump", "unreadable", 0, 0, "empty", b"", NOW)
    with database.write() as connection:
        dead_letters.add(connection, [letter])
    assert delivered(database) == [letter]
    with database.read() as connection:
        assert dead_letters.listing(connection, "pump") == [letter]


def test_each_waits_once_in_order_whatever_comes_meanwhile(database: Database) -> None:
    with database.write() as connection:
        dead_letters.add(connection, [_letter(offset) for offset in range(3)])
        [first, *_] = dead_letters.pending(connection, "pump", 1)
        dead_letters.mark_sent(connection, "pump", up_to=first[0], now=NOW)
        dead_letters.add(connection, [_letter(9), _letter(1, stream="fan")])
    assert [letter.offset for letter in delivered(database)] == [1, 2, 9]
    assert delivered(database) == []
    assert len(delivered(database, "fan")) == 1


reasons = st.lists(st.sampled_from(["unreadable", "wrong-shape", "not-finite"]), max_size=20)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(polls=st.lists(reasons, max_size=4))
def test_every_one_is_counted_however_they_were_polled(
    database: Database, polls: list[list[str]]
) -> None:
    with database.write() as connection:
        connection.execute(table.delete())
        connection.execute(dead_letter_counts.delete())
        for poll in polls:
            dead_letters.add(
                connection, [_letter(index, reason=reason) for index, reason in enumerate(poll)]
            )
        counts = dead_letters.counts(connection, "pump")
    flat = [reason for poll in polls for reason in poll]
    assert counts == {reason: flat.count(reason) for reason in set(flat)}


def test_a_stream_of_bad_records_does_not_fill_the_disk(database: Database) -> None:
    with database.write() as connection:
        dead_letters.add(connection, [_letter(0, stream="fan")])
        dead_letters.add(connection, [_letter(offset) for offset in range(KEPT + 100)])
    assert len(delivered(database)) == KEPT + 100
    with database.write() as connection:
        dead_letters.add(connection, [_letter(offset) for offset in range(KEPT + 100, KEPT + 150)])
    delivered(database)
    with database.read() as connection:
        kept = dead_letters.listing(connection, "pump", 2 * KEPT)
        assert [row.offset for row in kept] == list(range(KEPT + 149, 149, -1))
        assert dead_letters.counts(connection, "pump") == {"wrong-shape": KEPT + 150}
        assert dead_letters.counts(connection, "fan") == {"wrong-shape": 1}
        assert len(dead_letters.listing(connection, "fan")) == 1


def test_where_nobody_takes_them_the_stream_waits_and_none_is_lost(database: Database) -> None:
    with database.write() as connection:
        dead_letters.add(connection, [_letter(offset) for offset in range(MOST_WAITING)])
    with (
        pytest.raises(DeliveryBehind, match="10000 records of stream pump"),
        database.write() as connection,
    ):
        dead_letters.add(connection, [_letter(MOST_WAITING)])
    with database.write() as connection:
        dead_letters.add(connection, [_letter(0, stream="fan")])
    assert len(delivered(database)) == MOST_WAITING
    with database.write() as connection:
        dead_letters.add(connection, [_letter(MOST_WAITING)])
        assert dead_letters.counts(connection, "pump") == {"wrong-shape": MOST_WAITING + 1}


def test_what_is_delivered_at_once_is_bounded_in_bytes_and_at_least_one(database: Database) -> None:
    letters = [
        DeadLetter("pump", "unreadable", 0, offset, "", b"x" * 3_000, NOW) for offset in range(5)
    ]
    with database.write() as connection:
        dead_letters.add(connection, letters)
        assert len(dead_letters.pending(connection, "pump", maximum_bytes=7_000)) == 2
        assert len(dead_letters.pending(connection, "pump", maximum_bytes=10)) == 1
        assert len(dead_letters.pending(connection, "pump")) == 5
