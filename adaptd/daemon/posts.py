"""What the relay carries: a stream's events, and its records that were set aside."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from adaptd.clock import Clock
from adaptd.daemon.ledger import Ledger
from adaptd.registry import dead_letters
from adaptd.registry.dead_letter_office import DeadLetterOffice
from adaptd.registry.publisher import Publisher
from adaptd.store import outbox
from adaptd.store.database import Database

Stop = Callable[[], bool]

# Of records set aside, in one call.
_BATCHES = 10


class Post(Protocol):
    """One queue in the store and its receiver."""

    @property
    def stream(self) -> str:
        """Whose it is."""
        ...

    @property
    def kind(self) -> str:
        """What is in it, for people, such as `events`."""
        ...

    def send(self, database: Database, clock: Clock, should_stop: Stop) -> int:
        """Sends what waits, in order, until should_stop, and returns how much that was.

        Raises TransientError if the receiver or the store cannot be reached; what was sent and
        could not be marked will be sent again. Raises StaleEpochError where another owner has
        taken the stream over: what waits is for that one to send.
        """
        ...

    def close(self) -> None:
        """Lets go of the receiver."""
        ...


class EventPost:
    """The outbox of one stream."""

    kind = "events"

    def __init__(self, ledger: Ledger, publisher: Publisher) -> None:
        """ledger: says whose stream it is, so that only its owner sends."""
        self.stream = ledger.stream
        self._ledger = ledger
        self._publisher = publisher

    def send(self, database: Database, clock: Clock, should_stop: Stop) -> int:
        """As in `Post`; one by one, since few come and each tells of something that matters."""
        sent = 0
        with database.read() as connection:
            events = outbox.pending(connection, streams=[self.stream])
        for event in events:
            if should_stop():
                break
            self._ledger.verify(database)
            self._publisher.publish(event)
            sent += 1
            self._ledger.transact(
                database,
                partial(outbox.mark_sent, ids=[event.id], now=clock.now()),
            )
        return sent

    def close(self) -> None:
        self._publisher.close()


class LetterPost:
    """The records of one stream that were set aside."""

    kind = "records that were set aside"

    def __init__(self, ledger: Ledger, office: DeadLetterOffice) -> None:
        """ledger: as of `EventPost`."""
        self.stream = ledger.stream
        self._ledger = ledger
        self._office = office

    def send(self, database: Database, clock: Clock, should_stop: Stop) -> int:
        """As in `Post`; hundreds at a time, since a stream may have many, and thousands a call,
        since others wait for their turn."""
        sent = 0
        for _ in range(_BATCHES):
            if should_stop():
                break
            with database.read() as connection:
                waiting = dead_letters.pending(connection, self.stream)
            if not waiting:
                break
            self._ledger.verify(database)
            self._office.deliver([letter for _, letter in waiting])
            sent += len(waiting)
            self._ledger.transact(
                database,
                partial(
                    dead_letters.mark_sent,
                    stream=self.stream,
                    up_to=waiting[-1][0],
                    now=clock.now(),
                ),
            )
        return sent

    def close(self) -> None:
        self._office.close()
