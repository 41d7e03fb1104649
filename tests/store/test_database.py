"""Locks, files and versions of the database in SQLite."""

import multiprocessing
import sqlite3
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import OperationalError

from adaptd.clock import FakeClock
from adaptd.errors import NotFoundError, StateDirectoryError, StoreUnavailable
from adaptd.store.database import Database
from adaptd.store.schema import newest_revision
from adaptd.store.tables import epochs

NOW = FakeClock().now()


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


def _row(stream: str) -> dict[str, object]:
    return {"stream": stream, "epoch": 1, "owner": "test", "acquired_at": NOW}


def _streams(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(select(epochs.c.stream).order_by(epochs.c.stream)))


def test_commits_are_synced_to_disk_in_a_write_ahead_log(database: Database) -> None:
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_lock_that_is_not_had_in_time_is_unavailable(database: Database, tmp_path: Path) -> None:
    other = Database.attach(tmp_path / "adaptd.db", busy_timeout_seconds=0.05)
    try:
        with database.write():
            refused = pytest.raises(StoreUnavailable, match="locked")
            with refused, other.write():
                pytest.fail("two held the write lock")
            assert _streams(other) == []
        with other.write() as connection:
            connection.execute(insert(epochs).values(**_row("pump")))
    finally:
        other.close()
    assert _streams(database) == ["pump"]


def test_a_full_database_is_unavailable_and_recovers(database: Database) -> None:
    row = {**_row("pump"), "owner": "x" * 100_000}
    full = pytest.raises(StoreUnavailable, match="full")
    with full, database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.execute(insert(epochs).values(**row))
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        connection.execute(insert(epochs).values(**row))
    assert _streams(database) == ["pump"]


def test_an_error_of_our_own_is_not_called_unavailable(database: Database) -> None:
    with pytest.raises(OperationalError, match="no such table"), database.read() as connection:
        connection.exec_driver_sql("SELECT * FROM absent")


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    for name in ("first", "second"):
        opened = Database.open(tmp_path / "adaptd.db")
        with opened.write() as connection:
            connection.execute(insert(epochs).values(**_row(name)))
        opened.close()
    again = Database.attach(tmp_path / "adaptd.db")
    assert _streams(again) == ["first", "second"]
    again.close()


def test_attaching_to_an_absent_file_makes_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="adaptd run"):
        Database.attach(tmp_path / "adaptd.db")
    assert list(tmp_path.iterdir()) == []


def test_attaching_before_the_tables_are_made_may_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "adaptd.db").touch()
    with pytest.raises(StoreUnavailable, match="no tables yet"):
        Database.attach(tmp_path / "adaptd.db")


def test_a_newer_revision_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "adaptd.db"
    Database.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for opening in (Database.open, Database.attach):
        with pytest.raises(StateDirectoryError, match=rf"newer version.*9999.*{newest_revision()}"):
            opening(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("9999",)]
    connection.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "adaptd.db"
    path.write_bytes(b"not a database, but long enough to have the size of a header" * 100)
    for opening in (Database.open, Database.attach):
        with pytest.raises(StateDirectoryError, match="not a database"):
            opening(path)


def test_a_folder_that_is_absent_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open"):
        Database.open(tmp_path / "absent" / "adaptd.db")


def _write_rows(path: Path, name: str, count: int, ready: Pipe) -> None:
    database = Database.attach(path)
    ready.send("ready")
    ready.recv()
    for index in range(count):
        with database.write() as connection:
            held = connection.scalar(select(func.count()).select_from(epochs))
            connection.execute(
                insert(epochs).values(
                    stream=f"{name}{index}", epoch=held, owner=name, acquired_at=NOW
                )
            )
    database.close()


def _hold_the_lock(path: Path, ready: Pipe) -> None:
    database = Database.attach(path)
    with database.write() as connection:
        connection.execute(insert(epochs).values(**_row("never-committed")))
        ready.send("ready")
        ready.recv()


@pytest.mark.slow
def test_two_processes_that_write_lose_no_row(database: Database, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in "ab"]
    processes = [
        context.Process(target=_write_rows, args=(tmp_path / "adaptd.db", name, 50, inner))
        for name, (_, inner) in zip("ab", pipes, strict=True)
    ]
    for process in processes:
        process.start()
    for outer, _ in pipes:
        assert outer.recv() == "ready"
    for outer, _ in pipes:
        outer.send("go")
    for process in processes:
        process.join()
        assert process.exitcode == 0
    with database.read() as connection:
        counts = list(connection.scalars(select(epochs.c.epoch).order_by(epochs.c.epoch)))
    assert counts == list(range(100))


@pytest.mark.slow
def test_another_process_that_holds_the_lock_is_waited_for_until_it_is_killed(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "adaptd.db"
    context = multiprocessing.get_context("spawn")
    outer, inner = context.Pipe()
    holder = context.Process(target=_hold_the_lock, args=(path, inner))
    holder.start()
    try:
        assert outer.recv() == "ready"
        impatient = Database.attach(path, busy_timeout_seconds=0.2)
        with pytest.raises(StoreUnavailable, match="locked"), impatient.write():
            pytest.fail("two held the write lock")
        impatient.close()
    finally:
        holder.kill()
        holder.join()
    with database.write() as connection:
        connection.execute(insert(epochs).values(**_row("pump")))
    assert _streams(database) == ["pump"]
