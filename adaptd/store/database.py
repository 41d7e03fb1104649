"""`Database`: the store's rows, short reads, and writes that commit whole or not at all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from adaptd.errors import (
    NotFoundError,
    StateDirectoryError,
    StoreUnavailable,
    StoreUncertain,
)
from adaptd.store.directory import RESTORE
from adaptd.store.postgres import PostgresServer
from adaptd.store.schema import known_revisions, newest_revision, revision_of, upgrade
from adaptd.store.sqlite import SqliteFile

# Longer than any write of ours takes, short enough that a page still answers.
BUSY_TIMEOUT_SECONDS = 5.0

# What holds it: a SQLite file, also by its path, or a PostgreSQL server.
Place = SqliteFile | PostgresServer


class Database:
    """The store of one deployment, for several threads, beside other processes with the same place.

    `open` for the daemon, `attach` for whoever comes beside it.
    """

    def __init__(self, place: Place, engine: Engine) -> None:
        self._place = place
        self._engine = engine

    @classmethod
    def open(
        cls, place: Place | Path, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS
    ) -> "Database":
        """Makes the file if it is not there, and brings its tables up, in one transaction.

        Reads all of a SQLite file first, for damage: 100 MB take about a second.
        Raises StateDirectoryError if it is of a newer version, damaged, no database, or may not be
        used; StoreUnavailable if it cannot be written now.
        """
        place = _placed(place)
        database = cls(place, place.engine(busy_timeout_seconds))
        try:
            database._check()
            with database.write() as connection:
                revision = revision_of(connection)
                if revision is not None and revision not in known_revisions():
                    raise _newer(place, revision)
                upgrade(connection)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def attach(
        cls, place: Place | Path, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS
    ) -> "Database":
        """Opens a database that the daemon has made, and leaves its tables as they are.

        Raises NotFoundError if there is no file; StateDirectoryError if its tables are those of
        another version; StoreUnavailable while they are being made, or if it is locked or away.
        """
        place = _placed(place)
        if isinstance(place, SqliteFile) and not place.path.exists():
            raise NotFoundError(
                f"{place}: no such database; start `adaptd run` on this state directory first"
            )
        database = cls(place, place.engine(busy_timeout_seconds))
        try:
            with database.read() as connection:
                revision = revision_of(connection)
            if revision is None:
                raise StoreUnavailable(f"{place}: has no tables yet")
            if revision not in known_revisions():
                raise _newer(place, revision)
            if revision != newest_revision():
                raise StateDirectoryError(
                    f"{place} is of database revision {revision}, this adaptd needs "
                    f"{newest_revision()}: `adaptd run` upgrades it"
                )
        except BaseException:
            database.close()
            raise
        return database

    @property
    def is_there(self) -> bool:
        """False for a SQLite file that was removed under an open connection."""
        return not isinstance(self._place, SqliteFile) or self._place.path.exists()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout, and cannot write. Waits up
        to the busy timeout where all connections of this process are in use.

        Keep it short: a long read keeps SQLite's write-ahead log from being folded in.
        Raises StoreUnavailable if the database cannot be read now.
        """
        with self._connected(is_write=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection that holds the one write lock; commits at the end, rolls back on any error.

        What is read in it cannot change before it commits: a compare-and-set is a read and a write.
        Blocks up to the busy timeout. Raises StoreUnavailable if the lock is not had by then, the
        disk is full, or the database cannot be written; StoreUncertain if it went away while it
        committed.
        """
        with self._connected(is_write=True) as connection:
            yield connection

    def close(self) -> None:
        """Closes every connection. Nothing is lost: what was committed is on disk."""
        self._engine.dispose()

    def _check(self) -> None:
        outside: Mapping[str, Any] = {"adaptd_begin": ["PRAGMA query_only = 0"]}
        with self._errors(is_write=False), self._engine.connect() as connection:
            if isinstance(self._place, SqliteFile):
                connection.execution_options(**outside)
            self._place.check(connection)

    @contextmanager
    def _connected(self, *, is_write: bool) -> Iterator[Connection]:
        place = self._place
        with self._errors(is_write=is_write), self._engine.connect() as connection:
            connection.execution_options(**place.options(is_write=is_write))
            transaction = connection.begin()
            try:
                place.begin(connection, is_write=is_write)
                yield connection
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except DatabaseError as error:
                if is_write and place.is_uncertain(error):
                    raise StoreUncertain(
                        f"{place}: went away while it committed: {error.orig}"
                    ) from error
                raise

    @contextmanager
    def _errors(self, *, is_write: bool) -> Iterator[None]:
        place = self._place
        try:
            yield
        except UnicodeDecodeError as error:
            # Text of a damaged page, in what SQLite says of it or in what it gives out.
            raise StateDirectoryError(f"{place}: damaged: {error}; {RESTORE}") from error
        except PoolTimeout as error:
            raise StoreUnavailable(
                f"{place}: all connections of this process were in use for too long"
            ) from error
        except DatabaseError as error:
            if isinstance(error, DBAPIError) and place.is_transient(error, is_write=is_write):
                raise StoreUnavailable(f"{place}: {str(error.orig).strip()}") from error
            damage = place.damage(error)
            if damage is not None:
                raise StateDirectoryError(f"{place}: {damage}") from error
            raise


def _placed(place: Place | Path) -> Place:
    return SqliteFile(place) if isinstance(place, Path) else place


def _newer(place: Place, revision: str) -> StateDirectoryError:
    return StateDirectoryError(
        f"{place} is of a newer version: database revision {revision}, this adaptd knows up to "
        f"{newest_revision()}; install a newer adaptd, or use another one"
    )
