"""`Standby`: what this process says of streams that are another one's."""

from collections.abc import Collection

import structlog

from adaptd.daemon.process import Process, own_name
from adaptd.errors import StoreUnavailable
from adaptd.store import epochs
from adaptd.store.epochs import Owner

log = structlog.get_logger()

# Between looks at the store.
LOOK_SECONDS = 2.0


class Standby:
    """Says who owns them, to readiness and the log. One that stands by is ready: it can take over
    at any moment; where it cannot read the store it is not."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._look_at = float("-inf")
        self._seen: dict[str, Owner | None] = {}
        self._shown: frozenset[str] = frozenset()

    def step(self, streams: Collection[str]) -> None:
        """Looks now and then, and as soon as the streams are others."""
        now = self._process.clock.monotonic()
        if now < self._look_at and self._shown == frozenset(streams):
            return
        self._look_at, self._shown = now + LOOK_SECONDS, frozenset(streams)
        for stream in streams:
            self._look(stream)

    def forget(self, stream: str) -> None:
        """It is this process's own from now on."""
        self._seen.pop(stream, None)
        self._shown -= {stream}
        self._process.health.note(stream, None)

    def _look(self, stream: str) -> None:
        health = self._process.health
        try:
            with self._process.database.read() as connection:
                owner = epochs.owner(connection, stream)
        except StoreUnavailable as error:
            health.obstruct(stream, f"the store cannot be read: {error}")
            return
        health.clear(stream)
        if owner is None or owner.name == own_name():
            health.note(stream, "standby, nobody has taken it yet")
        else:
            health.note(stream, f"standby, owner is {owner.name} since {owner.since:%FT%TZ}")
        if stream not in self._seen or self._seen[stream] != owner:
            self._seen[stream] = owner
            log.info(
                "stream.standby",
                stream=stream,
                owner=None if owner is None else owner.name,
                epoch=None if owner is None else owner.epoch,
            )
