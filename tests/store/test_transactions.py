"""What every store promises of its transactions; `test_database.py` and `test_postgres.py` have
what is SQLite's and PostgreSQL's own."""

import threading
from contextlib import ExitStack, suppress

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import DatabaseError, IntegrityError

from adaptd.clock import FakeClock
from adaptd.errors import StoreUnavailable
from adaptd.store.database import Database
from adaptd.store.tables import champions, epochs

NOW = FakeClock().now()


def _row(stream: str) -> dict[str, object]:
    return {"stream": stream, "epoch": 1, "owner": "test", "acquired_at": NOW}


def _streams(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(select(epochs.c.stream).order_by(epochs.c.stream)))


def test_a_write_commits_at_the_end(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(epochs).values(**_row("pump")))
    assert _streams(database) == ["pump"]


def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    with suppress(KeyError), database.write() as connection:
        connection.execute(insert(epochs).values(**_row("pump")))
        raise KeyError
    assert _streams(database) == []


def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseError, match=r"read-?only"), database.read() as connection:
        connection.execute(insert(epochs).values(**_row("pump")))
    with database.write() as connection:
        connection.execute(insert(epochs).values(**_row("pump")))
    assert _streams(database) == ["pump"]


def test_a_read_sees_one_state_throughout(database: Database) -> None:
    with database.read() as reader:
        count = select(func.count()).select_from(epochs)
        assert reader.scalar(count) == 0
        with database.write() as writer:
            writer.execute(insert(epochs).values(**_row("pump")))
        assert reader.scalar(count) == 0
    assert _streams(database) == ["pump"]


def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(insert(champions).values(stream="pump", digest="0" * 64, moved_at=NOW))


def test_writers_take_turns_so_what_one_has_read_stays_so(database: Database) -> None:
    def work(name: str) -> None:
        for index in range(10):
            with database.write() as connection:
                count = connection.scalar(select(func.count()).select_from(epochs))
                connection.execute(
                    insert(epochs).values(
                        stream=f"{name}{index}", epoch=count, owner=name, acquired_at=NOW
                    )
                )

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        counts = list(connection.scalars(select(epochs.c.epoch).order_by(epochs.c.epoch)))
    assert counts == list(range(30))


def test_a_connection_that_is_not_had_in_time_is_unavailable(database: Database) -> None:
    with ExitStack() as stack:
        refused = pytest.raises(StoreUnavailable, match="all connections of this process")
        with refused:
            # More than any pool has.
            for _ in range(64):
                stack.enter_context(database.read())
    assert _streams(database) == []
