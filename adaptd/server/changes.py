"""`Changes`: tells open pages that the store holds something new."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from adaptd.clock import Clock
from adaptd.errors import AdaptdError
from adaptd.registry import (
    decisions,
    episodes,
    progress,
    proposals,
    releases,
    requests,
    schedules,
    scores,
    waits,
    watches,
)
from adaptd.server.stream_state import streams
from adaptd.server.visible_store import VisibleStore

# Pages hear of changes at most so often; however many are open, the store is read once.
INTERVAL_SECONDS = 1.0

# A closing server is noticed so fast; an open stream of events must not hold it up.
CLOSING_SECONDS = 0.2

# A comment after so many silent intervals finds out whether the page is still there.
SILENT_INTERVALS = 15

# Stands for a store that cannot be read, so that its return is a change.
UNAVAILABLE = "unavailable"


def version_of(connection: Connection) -> str:
    """A short digest that differs whenever a page would."""
    parts: list[object] = []
    for stream in streams(connection):
        champion = releases.current(connection, stream)
        episode = episodes.active(connection, stream)
        parts += [
            stream,
            champion and champion.digest,
            [block.first_record for block in scores.series(connection, stream, limit=1)],
            episode and (episode.id, episode.state, episode.updated_at.isoformat()),
            progress.latest(connection, stream),
            [(item.id, item.state) for item in proposals.listing(connection, stream)],
            len(decisions.listing(connection, stream)),
            [(one.outcome, one.evidence) for one in watches.listing(connection, stream)[:1]],
            waits.listing(connection, stream),
            [request.id for request in requests.waiting(connection, stream)],
            schedules.get(connection, stream),
        ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


class Changes:
    """The version of the store, read at most once an interval, and the events made of it."""

    def __init__(self, store: VisibleStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._version = UNAVAILABLE
        self._read_at = float("-inf")
        self._is_closed = threading.Event()

    def version(self) -> str:
        """May block for as long as the store does; never raises."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._read_at >= INTERVAL_SECONDS:
                try:
                    with self._store.read() as connection:
                        self._version = version_of(connection)
                except AdaptdError:
                    self._version = UNAVAILABLE
                self._read_at = now
            return self._version

    async def events(self, seen: str) -> AsyncIterator[str]:
        """Server-sent events named `change`, with the version as id; ends when `close` is called.

        seen: the version that the page was made of, so that it hears of what it has missed.
        """
        silent = 0
        while not self._is_closed.is_set():
            version = await run_in_threadpool(self.version)
            if version != seen:
                seen, silent = version, 0
                yield f"id: {version}\nevent: change\ndata: {version}\n\n"
            elif silent >= SILENT_INTERVALS:
                silent = 0
                yield ": still here\n\n"
            silent += 1
            waited = 0.0
            while waited < INTERVAL_SECONDS and not self._is_closed.is_set():
                await asyncio.sleep(CLOSING_SECONDS)
                waited += CLOSING_SECONDS

    def close(self) -> None:
        """Ends every stream of events soon, from any thread."""
        self._is_closed.set()
