"""Locks and losses of a store in PostgreSQL."""

import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from sqlalchemy import insert, make_url, select

from adaptd.clock import FakeClock
from adaptd.errors import StateDirectoryError, StoreUnavailable, StoreUncertain
from adaptd.store import epochs as owners
from adaptd.store.database import Database
from adaptd.store.postgres import PostgresServer
from adaptd.store.schema import newest_revision, revision_of
from adaptd.store.tables import epochs, join_rows
from tests.postgres import PATIENCE_SECONDS, Postgres

pytestmark = pytest.mark.slow

NOW = FakeClock().now()


@pytest.fixture
def database(postgres_database: Database) -> Database:
    return postgres_database


@pytest.fixture
def place(postgres: Postgres, empty_postgres: PostgresServer) -> PostgresServer:
    return postgres.copy_database(empty_postgres)


def _add(database: Database, stream: str) -> None:
    with database.write() as connection:
        connection.execute(
            insert(epochs).values(stream=stream, epoch=1, owner="test", acquired_at=NOW)
        )


def _streams(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(select(epochs.c.stream).order_by(epochs.c.stream)))


def _eventually(act: Callable[[], None]) -> None:
    """Until the store is available."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            act()
            return
        except StoreUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_database_gets_its_tables_once(postgres: Postgres) -> None:
    place = postgres.make_database()
    with closing(Database.open(place)) as first, closing(Database.open(place)):
        with first.read() as connection:
            assert revision_of(connection) == newest_revision()
        assert _streams(first) == []


def test_one_without_tables_is_waited_for(postgres: Postgres) -> None:
    with pytest.raises(StoreUnavailable, match="has no tables yet"):
        Database.attach(postgres.make_database())


def test_two_that_take_a_stream_at_once_have_two_epochs(place: PostgresServer) -> None:
    taken: list[int] = []

    def take() -> None:
        with closing(Database.attach(place)) as database, database.write() as connection:
            taken.append(owners.acquire(connection, stream="pump", owner="test", now=NOW))

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [1, 2, 3, 4, 5, 6]


def test_a_lock_that_is_not_had_in_time_is_unavailable(
    database: Database, place: PostgresServer
) -> None:
    with (
        closing(Database.attach(place)) as first,
        closing(Database.attach(place, busy_timeout_seconds=0.2)) as second,
    ):
        with first.write():
            refused = pytest.raises(StoreUnavailable, match="lock timeout")
            with refused, second.write():
                pytest.fail("two held the write lock")
            assert _streams(second) == []
        _add(second, "pump")
        assert _streams(first) == ["pump"]
    # The lock is of one database.
    assert _streams(database) == []


def test_who_stands_still_in_a_write_is_thrown_out_of_it(
    place: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adaptd.store.postgres._IDLE_SECONDS", 1)
    with closing(Database.attach(place)) as stopped, closing(Database.attach(place)) as other:
        is_thrown_out = pytest.raises(StoreUnavailable)
        with is_thrown_out as told, stopped.write() as connection:
            connection.execute(
                insert(epochs).values(stream="stopped", epoch=1, owner="test", acquired_at=NOW)
            )
            _add(other, "other")
        # It is known that nothing was written.
        assert not isinstance(told.value, StoreUncertain)
        assert _streams(other) == ["other"]
        _eventually(lambda: _add(stopped, "later"))


def test_a_server_that_dies_and_comes_back_is_unavailable_meanwhile(
    postgres: Postgres, database: Database
) -> None:
    _add(database, "before")
    postgres.kill()
    try:
        with pytest.raises(StoreUnavailable):
            _add(database, "meanwhile")
        with pytest.raises(StoreUnavailable), database.read():
            pytest.fail("nobody is there")
    finally:
        postgres.start()
    _eventually(lambda: _add(database, "after"))
    assert _streams(database) == ["after", "before"]


def test_a_server_that_dies_in_a_commit_leaves_it_uncertain(
    postgres: Postgres, database: Database
) -> None:
    try:
        is_uncertain = pytest.raises(StoreUncertain, match="went away while it committed")
        with is_uncertain, database.write() as connection:
            connection.execute(
                insert(epochs).values(stream="pump", epoch=1, owner="test", acquired_at=NOW)
            )
            postgres.kill()
    finally:
        postgres.start()
    _eventually(lambda: _add(database, "after"))


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"database": "absent"}])
def test_what_only_a_person_mends_says_what_to_check(
    place: PostgresServer, wrong: dict[str, str]
) -> None:
    url = make_url(place.url)
    if "database" in wrong:
        url = url.set(database=wrong["database"])
    refused = PostgresServer(url.render_as_string(), wrong.get("password", place.password))
    with pytest.raises(StateDirectoryError, match=r"check store\.url and store\.password") as told:
        Database.open(refused)
    assert str(refused.password) not in str(told.value)
    assert str(refused.password) not in repr(refused)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        Database.open(PostgresServer("postgresql+psycopg://adaptd@127.0.0.1:1/adaptd"))


@pytest.mark.parametrize("text", ["a\0b", "\x01", "\x010", "\0\x01\x011"])
def test_text_with_nul_comes_back_as_it_was(database: Database, text: str) -> None:
    with database.write() as connection:
        connection.execute(
            insert(join_rows).values(
                stream="pump", id=text, number=1, state="met", time=0.0, since=0.0
            )
        )
    with database.read() as connection:
        assert connection.scalar(select(join_rows.c.id).where(join_rows.c.id == text)) == text
