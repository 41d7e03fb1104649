"""`Database`: one SQLite file, short reads, and writes that commit whole or not at all."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from adaptd.errors import NotFoundError, StateDirectoryError, StoreUnavailable
from adaptd.store.directory import RESTORE
from adaptd.store.schema import known_revisions, newest_revision, revision_of, upgrade

# Longer than any write of ours takes, short enough that a page still answers.
BUSY_TIMEOUT_SECONDS = 5.0

# SQLite's primary result codes for what may pass without us: a lock, a disk that is full or away.
_TRANSIENT = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
# What only a backup mends.
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

# An execution option of a connection: the statements that begin its transaction.
_BEGIN = "adaptd_begin"


class Database:
    """The store of one deployment, for several threads, beside other processes with the same file.

    `open` for the daemon, `attach` for whoever comes beside it.
    """

    def __init__(self, path: Path, engine: Engine) -> None:
        self._path = path
        self._engine = engine

    @classmethod
    def open(cls, path: Path, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> "Database":
        """Makes the file if it is not there, and brings its tables up, in one transaction.

        Reads all of it first, for damage: 100 MB take about a second.
        Raises StateDirectoryError if the file is of a newer version, damaged or no database;
        StoreUnavailable if it cannot be written now.
        """
        database = cls(path, _engine(path, busy_timeout_seconds))
        try:
            with database._connected(["PRAGMA query_only = 0"], _TRANSIENT) as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                # A damaged page would else be found only when it is needed, records later.
                found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
            if found != "ok":
                raise StateDirectoryError(f"{path}: damaged: {found}; {RESTORE}")
            with database.write() as connection:
                revision = revision_of(connection)
                if revision is not None and revision not in known_revisions():
                    raise _newer(path, revision)
                upgrade(connection)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def attach(
        cls, path: Path, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS
    ) -> "Database":
        """Opens a file that the daemon has made, and leaves its tables as they are.

        Raises NotFoundError if there is no file; StateDirectoryError if its tables are those of
        another version; StoreUnavailable while they are being made, or if it is locked.
        """
        if not path.exists():
            raise NotFoundError(
                f"{path}: no such database; start `adaptd run` on this state directory first"
            )
        database = cls(path, _engine(path, busy_timeout_seconds))
        try:
            with database.read() as connection:
                revision = revision_of(connection)
            if revision is None:
                raise StoreUnavailable(f"{path}: has no tables yet")
            if revision not in known_revisions():
                raise _newer(path, revision)
            if revision != newest_revision():
                raise StateDirectoryError(
                    f"{path} is of database revision {revision}, this adaptd needs "
                    f"{newest_revision()}: `adaptd run` upgrades it"
                )
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout, and cannot write.

        Keep it short: a long read keeps the write-ahead log from being folded in.
        Raises StoreUnavailable if the file cannot be read now.
        """
        with self._connected(["PRAGMA query_only = 1", "BEGIN"], _TRANSIENT) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection that holds the one write lock; commits at the end, rolls back on any error.

        What is read in it cannot change before it commits: a compare-and-set is a read and a write.
        Blocks up to the busy timeout. Raises StoreUnavailable if the lock is not had by then, the
        disk is full, or the file cannot be written.
        """
        # In a read it would mean that the caller wrote, which no retry mends.
        transient = _TRANSIENT | {sqlite3.SQLITE_READONLY}
        begin = ["PRAGMA query_only = 0", "BEGIN IMMEDIATE"]
        with self._connected(begin, transient) as connection:
            yield connection

    def close(self) -> None:
        """Closes every connection. Nothing is lost: what was committed is on disk."""
        self._engine.dispose()

    @contextmanager
    def _connected(self, begin: list[str], transient: frozenset[int]) -> Iterator[Connection]:
        try:
            with (
                self._engine.connect() as connection,
                connection.execution_options(**{_BEGIN: begin}).begin(),
            ):
                yield connection
        except UnicodeDecodeError as error:
            # Text of a damaged page, in what SQLite says of it or in what it gives out.
            raise StateDirectoryError(f"{self._path}: damaged: {error}; {RESTORE}") from error
        except DatabaseError as error:
            # The low byte of an extended code is the primary one.
            code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
            if code in transient:
                raise StoreUnavailable(f"{self._path}: {error.orig}") from error
            if code in DAMAGED:
                raise StateDirectoryError(f"{self._path}: {error.orig}; {RESTORE}") from error
            raise


def _engine(path: Path, busy_timeout_seconds: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": busy_timeout_seconds}
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        # The driver would begin transactions late and without the lock; `_begin` does it instead.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        for statement in connection.get_execution_options()[_BEGIN]:
            connection.exec_driver_sql(statement)

    return engine


def _newer(path: Path, revision: str) -> StateDirectoryError:
    return StateDirectoryError(
        f"{path} is of a newer version: database revision {revision}, this adaptd knows up to "
        f"{newest_revision()}; install a newer adaptd, or use another state_directory"
    )
