"""Effects that wait for the next transaction, so that they land together with the positions or
not at all."""

from collections.abc import Callable

from sqlalchemy import Connection

from adaptd.store import epochs
from adaptd.store.database import Database

Effect = Callable[[Connection], object]


class Ledger:
    """The rows that one stream's loop wants written."""

    def __init__(self, stream: str, epoch: int) -> None:
        self.stream = stream
        self.epoch = epoch
        self._effects: list[Effect] = []
        self._progress: Effect | None = None
        self.is_urgent = False

    def add(self, effect: Effect, *, is_urgent: bool = False) -> None:
        """Keeps an effect for the next commit. Urgent ones ask for that commit now."""
        self._effects.append(effect)
        self.is_urgent = self.is_urgent or is_urgent

    def put_progress(self, effect: Effect) -> None:
        """Keeps what a person sees of the running phase; only the latest is ever written."""
        self._progress = effect

    def verify(self, database: Database) -> None:
        """Called before files are touched that another owner would have too.

        Raises StaleEpochError where another process owns the stream now, StoreUnavailable.
        """
        with database.read() as connection:
            epochs.verify(connection, stream=self.stream, epoch=self.epoch)

    def commit(self, database: Database, *closing: Effect) -> None:
        """Writes all effects, then the closing ones, in one transaction.

        Raises StoreUnavailable, and keeps every effect for the next try.
        Raises StaleEpochError where another process owns the stream now.
        """
        with database.write() as connection:
            epochs.verify(connection, stream=self.stream, epoch=self.epoch)
            for effect in self._effects:
                effect(connection)
            if self._progress is not None:
                self._progress(connection)
            for effect in closing:
                effect(connection)
        self._effects.clear()
        self._progress = None
        self.is_urgent = False

    def transact(self, database: Database, effect: Effect) -> None:
        """Writes one effect in a transaction of its own; what waits goes on waiting.

        For what may lose a compare-and-set, and must not take the positions' transaction with it.
        Raises what the effect raises, StoreUnavailable, StaleEpochError; nothing is written then.
        """
        with database.write() as connection:
            epochs.verify(connection, stream=self.stream, epoch=self.epoch)
            effect(connection)
