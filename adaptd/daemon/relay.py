"""Carries events from the outbox to their publisher: at least once, in order, with their ids."""

import threading
from collections.abc import Callable, Mapping

import structlog

from adaptd.clock import Clock
from adaptd.errors import TransientError
from adaptd.registry.publisher import Publisher
from adaptd.store import outbox
from adaptd.store.database import Database

log = structlog.get_logger()

# How often the outbox is looked at, and how long a stream rests after its publisher failed.
LOOK_SECONDS = 0.5
REST_SECONDS = 5.0

# A publisher may be waiting for a broker; what it could not send is still in the outbox.
STOP_SECONDS = 1.0


def say_nothing(trouble: str | None) -> None:
    """For those who do not ask how the relay is."""
    del trouble


class Relay:
    """Sends from a thread of its own, so that a broker that is down never holds the stream up.

    Each stream's events keep their order; a stream whose events cannot be sent rests, and the
    others' go on.
    """

    def __init__(
        self,
        *,
        database: Database,
        publishers: Mapping[str, Publisher],
        clock: Clock,
        on_trouble: Callable[[str | None], None] = say_nothing,
    ) -> None:
        """publishers: stream -> where its events go.

        on_trouble: called, from the relay's thread, with what is wrong when something fails that no
        publisher is expected to fail with, and with None once all of it has been sent after all. A
        receiver that cannot be reached is no such trouble: it is logged and tried again.
        """
        self._database = database
        self._publishers = publishers
        self._clock = clock
        self._on_trouble = on_trouble
        self._rests_until: dict[str, float] = {}
        self._troubles: dict[str, str] = {}
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

        A stream stops at its first event that fails and rests for REST_SECONDS, so that its events
        keep their order. Nothing is raised: failures are logged with their stream. An event that
        was sent and could not be marked will be sent again.
        """
        return sum(
            self._try(stream)
            for stream in self._publishers
            if self._clock.monotonic() >= self._rests_until.get(stream, float("-inf"))
        )

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.send()

    def _try(self, stream: str) -> int:
        sent = 0
        try:
            with self._database.read() as connection:
                events = outbox.pending(connection, streams=[stream])
            for event in events:
                if self._stop.is_set():
                    return sent
                self._publishers[stream].publish(event)
                sent += 1
                with self._database.write() as connection:
                    outbox.mark_sent(connection, [event.id], now=self._clock.now())
        except TransientError as error:
            self._rest(stream)
            log.warning("relay.failed", stream=stream, error=str(error), retry_seconds=REST_SECONDS)
        # The outermost loop of this thread: if it ended here, nobody would see that events stay.
        except Exception as error:
            self._rest(stream)
            log.exception("relay.broken", stream=stream, retry_seconds=REST_SECONDS)
            self._report(stream, f"events of stream {stream} cannot be sent: {error!r}")
        else:
            self._report(stream, None)
        return sent

    def _rest(self, stream: str) -> None:
        self._rests_until[stream] = self._clock.monotonic() + REST_SECONDS

    def _report(self, stream: str, trouble: str | None) -> None:
        before = dict(self._troubles)
        if trouble is None:
            self._troubles.pop(stream, None)
        else:
            self._troubles[stream] = trouble
        if self._troubles != before:
            self._on_trouble("; ".join(self._troubles.values()) or None)
