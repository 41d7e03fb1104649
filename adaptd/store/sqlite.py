"""`SqliteFile`: a SQLite file that holds the store, for processes on one host."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from adaptd.errors import StateDirectoryError
from adaptd.store.directory import RESTORE

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


@dataclass(frozen=True)
class SqliteFile:
    """path: of the file; its write-ahead log lies beside it."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def engine(self, busy_timeout_seconds: float) -> Engine:
        engine = create_engine(
            URL.create("sqlite", database=str(self.path)),
            connect_args={"timeout": busy_timeout_seconds},
            pool_timeout=busy_timeout_seconds,
        )

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _record: object) -> None:
            # The driver would begin transactions late and without the lock; `_begin` does it.
            connection.isolation_level = None
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            for statement in connection.get_execution_options()[_BEGIN]:
                connection.exec_driver_sql(statement)

        return engine

    def options(self, *, is_write: bool) -> Mapping[str, Any]:
        """Of a connection, before its transaction begins."""
        if is_write:
            return {_BEGIN: ["PRAGMA query_only = 0", "BEGIN IMMEDIATE"]}
        return {_BEGIN: ["PRAGMA query_only = 1", "BEGIN"]}

    def begin(self, connection: Connection, *, is_write: bool) -> None:
        """Done by the options: a write has the one write lock from its beginning."""

    def check(self, connection: Connection) -> None:
        """Reads the whole file: a damaged page would else be found only when it is needed, records
        later. Raises StateDirectoryError for damage. connection: outside of a transaction."""
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
        if found != "ok":
            raise StateDirectoryError(f"{self.path}: damaged: {found}; {RESTORE}")

    def is_transient(self, error: DatabaseError, *, is_write: bool) -> bool:
        """Whether trying again may help."""
        code = _code(error)
        # In a read it would mean that the caller wrote, which no retry mends.
        return code in _TRANSIENT or (is_write and code == sqlite3.SQLITE_READONLY)

    def damage(self, error: DatabaseError) -> str | None:
        """What only a backup mends; None for another error."""
        return f"{error.orig}; {RESTORE}" if _code(error) in DAMAGED else None

    def is_uncertain(self, error: DatabaseError) -> bool:
        """A commit that failed was not made."""
        del error
        return False


def _code(error: DatabaseError) -> int:
    # The low byte of an extended code is the primary one.
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF
