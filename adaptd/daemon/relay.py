"""Carries events from the outbox to their publisher: at least once, in order, with their ids."""

import threading
from collections.abc import Mapping

import structlog

from adaptd.clock import Clock
from adaptd.errors import TransientError
from adaptd.registry.publisher import Publisher
from adaptd.store import outbox
from adaptd.store.database import Database

log = structlog.get_logger()

# How often the outbox is looked at, and how long it rests after a publisher failed.
LOOK_SECONDS = 0.5
REST_SECONDS = 5.0

# A publisher may be waiting for a broker; what it could not send is still in the outbox.
STOP_SECONDS = 1.0


class Relay:
    """Sends from a thread of its own, so that a broker that is down never holds the stream up."""

    def __init__(
        self, *, database: Database, publishers: Mapping[str, Publisher], clock: Clock
    ) -> None:
        """publishers: stream -> where its events go."""
        self._database = database
        self._publishers = publishers
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="adaptd-relay", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def close(self) -> None:
        """Sends nothing more and closes each publisher, unless one is stuck in a call."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        if not self._thread.is_alive():
            for publisher in self._publishers.values():
                publisher.close()

    def send(self) -> int:
        """Sends what waits now and returns how many events that were; those of streams that are no
        longer configured stay.

        Stops at the first that fails, so that a stream's events keep their order. Raises
        TransientError from its publisher, StoreUnavailable where a sent event could not be marked:
        it will be sent again.
        """
        with self._database.read() as connection:
            events = outbox.pending(connection, streams=self._publishers.keys())
        for event in events:
            self._publishers[event.stream].publish(event)
            with self._database.write() as connection:
                outbox.mark_sent(connection, [event.id], now=self._clock.now())
        return len(events)

    def _run(self) -> None:
        wait = LOOK_SECONDS
        while not self._stop.wait(wait):
            try:
                self.send()
                wait = LOOK_SECONDS
            except TransientError as error:
                log.warning("relay.failed", error=str(error), retry_seconds=REST_SECONDS)
                wait = REST_SECONDS
