"""Awaiting, and settled once."""

from itertools import product

import pytest
from sqlalchemy.exc import IntegrityError

from adaptd.clock import FakeClock
from adaptd.errors import ConflictError, NotFoundError
from adaptd.registry import proposals
from adaptd.store.database import Database
from tests.registry.conftest import Rows


def test_a_new_proposal_awaits(database: Database, clock: FakeClock, rows: Rows) -> None:
    with database.write() as connection:
        rows.episode(connection, now=clock.now())
        made = rows.proposal(connection, now=clock.now())
    assert (made.state, made.settled_at) == ("awaiting", None)
    assert made.evidence == {"schema_version": 1, "e_value": {"fine-tuned": 31.5}}
    assert (made.created_record, made.created_at) == (4_000, clock.now())
    with database.read() as connection:
        assert proposals.get(connection, made.id) == made
        assert proposals.awaiting(connection, "pump") == made
        assert proposals.awaiting(connection, "fan") is None


def test_one_proposal_of_a_stream_awaits_at_a_time(
    database: Database, clock: FakeClock, rows: Rows
) -> None:
    with database.write() as connection:
        rows.episode(connection, now=clock.now())
        first = rows.proposal(connection, now=clock.now())
        with pytest.raises(ConflictError, match=first.id):
            rows.proposal(connection, now=clock.now())
        proposals.move(connection, first.id, expected="awaiting", to="expired", now=clock.now())
        second = rows.proposal(connection, now=clock.now())
        assert second.id != first.id


def test_a_proposal_needs_its_episode(database: Database, clock: FakeClock, rows: Rows) -> None:
    with database.write() as connection, pytest.raises(IntegrityError):
        rows.proposal(connection, episode_id="absent", now=clock.now())


def test_settling_is_dated_and_publishing_keeps_the_date(
    database: Database, clock: FakeClock, rows: Rows
) -> None:
    with database.write() as connection:
        rows.episode(connection, now=clock.now())
        made = rows.proposal(connection, now=clock.now())
        clock.advance(60)
        settled = clock.now()
        approved = proposals.move(
            connection, made.id, expected="awaiting", to="approved", now=settled
        )
        clock.advance(60)
        published = proposals.move(
            connection, made.id, expected="approved", to="published", now=clock.now()
        )
    assert (approved.state, approved.settled_at) == ("approved", settled)
    assert (published.state, published.settled_at) == ("published", settled)


PATHS = {
    "awaiting": [],
    "approved": ["approved"],
    "rejected": ["rejected"],
    "expired": ["expired"],
    "published": ["approved", "published"],
}


MOVES = {
    ("awaiting", "approved"),
    ("awaiting", "rejected"),
    ("awaiting", "expired"),
    ("approved", "published"),
    ("approved", "expired"),
}


def test_there_are_five_moves_and_no_other(
    database: Database, clock: FakeClock, rows: Rows
) -> None:
    possible = set()
    for held, to in product(proposals.STATES, proposals.STATES):
        stream = f"{held}-{to}"
        with database.write() as connection:
            rows.episode(connection, id=stream[:26], stream=stream, now=clock.now())
            made = rows.proposal(connection, stream=stream, episode_id=stream[:26], now=clock.now())
            seen = "awaiting"
            for step in PATHS[held]:
                proposals.move(connection, made.id, expected=seen, to=step, now=clock.now())
                seen = step
            try:
                proposals.move(connection, made.id, expected=held, to=to, now=clock.now())
            except ValueError:
                assert proposals.get(connection, made.id).state == held
            else:
                assert proposals.get(connection, made.id).state == to
                possible.add((held, to))
    assert possible == MOVES


def test_a_move_from_a_state_that_was_left_loses(
    database: Database, clock: FakeClock, rows: Rows
) -> None:
    with database.write() as connection:
        rows.episode(connection, now=clock.now())
        made = rows.proposal(connection, now=clock.now())
        proposals.move(connection, made.id, expected="awaiting", to="rejected", now=clock.now())
        with pytest.raises(ConflictError, match="rejected by now, expected awaiting"):
            proposals.move(connection, made.id, expected="awaiting", to="approved", now=clock.now())
        assert proposals.get(connection, made.id).state == "rejected"
        with pytest.raises(NotFoundError, match="absent"):
            proposals.move(
                connection, "absent", expected="awaiting", to="approved", now=clock.now()
            )


def test_listing_is_newest_first_by_stream_and_state(
    database: Database, clock: FakeClock, rows: Rows
) -> None:
    with database.write() as connection:
        rows.episode(connection, now=clock.now())
        rows.episode(connection, id="F1", stream="fan", now=clock.now())
        first = rows.proposal(connection, now=clock.now())
        first = proposals.move(
            connection, first.id, expected="awaiting", to="expired", now=clock.now()
        )
        clock.advance(1)
        second = rows.proposal(connection, now=clock.now())
        clock.advance(1)
        fan = rows.proposal(connection, stream="fan", episode_id="F1", now=clock.now())
    with database.read() as connection:
        assert proposals.listing(connection) == [fan, second, first]
        assert proposals.listing(connection, "pump") == [second, first]
        assert proposals.listing(connection, "pump", state="expired") == [first]
        assert proposals.listing(connection, state="awaiting") == [fan, second]


def test_an_episode_has_its_latest_proposal(
    database: Database, clock: FakeClock, rows: Rows
) -> None:
    with database.write() as connection:
        rows.episode(connection, now=clock.now())
        with pytest.raises(NotFoundError, match="E1"):
            proposals.of_episode(connection, "E1")
        first = rows.proposal(connection, now=clock.now())
        proposals.move(connection, first.id, expected="awaiting", to="expired", now=clock.now())
        clock.advance(1)
        second = rows.proposal(connection, now=clock.now())
        assert proposals.of_episode(connection, "E1") == second
