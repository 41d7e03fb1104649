"""Releases and the champion pointer."""

import pytest
from sqlalchemy.exc import IntegrityError

from adaptd.architecture import Architecture, Contract
from adaptd.clock import FakeClock
from adaptd.errors import ConflictError, NotFoundError
from adaptd.registry import releases
from adaptd.store.database import Database
from tests.registry.conftest import Rows


def test_a_stream_without_a_release_has_no_champion(database: Database) -> None:
    with database.read() as connection:
        assert releases.current(connection, "pump") is None
        assert releases.history(connection, "pump") == []
        with pytest.raises(NotFoundError, match="absent"):
            releases.get(connection, "absent")


def test_promoting_numbers_the_release_and_moves_the_pointer(
    database: Database, clock: FakeClock, rows: Rows, architecture: Architecture, contract: Contract
) -> None:
    with database.write() as connection:
        first = rows.release(connection, "a", now=clock.now())
    with database.write() as connection:
        second = rows.release(connection, "b", expected="a", now=clock.now())
    assert (first.number, first.parent) == (1, None)
    assert (second.number, second.parent) == (2, "a")
    assert (second.architecture, second.contract) == (architecture, contract)
    assert second.created_at == clock.now()
    with database.read() as connection:
        assert releases.current(connection, "pump") == second
        assert releases.get(connection, "a") == first
        assert releases.history(connection, "pump") == [second, first]


def test_streams_are_numbered_each_for_itself(
    database: Database, clock: FakeClock, rows: Rows
) -> None:
    with database.write() as connection:
        rows.release(connection, "a", now=clock.now())
        fan = rows.release(connection, "f", stream="fan", now=clock.now())
        assert fan.number == 1
        assert releases.current(connection, "fan") == fan
        assert releases.history(connection, "fan") == [fan]


@pytest.mark.parametrize("expected", [None, "b", "absent"])
def test_promoting_over_another_champion_changes_nothing(
    database: Database, clock: FakeClock, rows: Rows, expected: str | None
) -> None:
    with database.write() as connection:
        first = rows.release(connection, "a", now=clock.now())
    with database.write() as connection, pytest.raises(ConflictError, match="found a"):
        rows.release(connection, "c", expected=expected, now=clock.now())
    with database.read() as connection:
        assert releases.current(connection, "pump") == first
        assert releases.history(connection, "pump") == [first]


def test_a_digest_is_released_once(database: Database, clock: FakeClock, rows: Rows) -> None:
    with database.write() as connection:
        rows.release(connection, "a", now=clock.now())
        with pytest.raises(ConflictError, match="released before, as number 1"):
            rows.release(connection, "a", expected="a", now=clock.now())


def test_a_release_of_an_episode_needs_the_episode(
    database: Database, clock: FakeClock, rows: Rows
) -> None:
    with database.write() as connection:
        episode = rows.episode(connection, now=clock.now())
        made = rows.release(connection, "a", episode_id=episode, now=clock.now())
        assert made.episode_id == episode
        with pytest.raises(IntegrityError):
            rows.release(connection, "b", expected="a", episode_id="absent", now=clock.now())
