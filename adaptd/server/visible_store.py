"""`VisibleStore`: the daemon's database as the server sees it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from adaptd.errors import StoreUnavailable
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory


class VisibleStore:
    """Reads and writes only where the daemon's file is: a missing one is not made anew by looking.

    Both raise StoreUnavailable if the file is gone, locked, or cannot be read.
    """

    def __init__(self, database: Database, state: StateDirectory) -> None:
        self._database = database
        self._state = state

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the store. Raises StoreUnavailable."""
        self._require()
        with self._database.read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, kept if the block ends without an error. Raises StoreUnavailable."""
        self._require()
        with self._database.write() as connection:
            yield connection

    def _require(self) -> None:
        # An open connection would go on showing a file that was removed, as if it were the state.
        if not self._database.is_there:
            raise StoreUnavailable(f"{self._state.database} is not there")
