"""`StreamSlot`: one stream's place in the daemon: opened, run, retried, or out of service."""

from collections.abc import Callable

import structlog

from adaptd.clock import Clock
from adaptd.config import StreamConfig
from adaptd.daemon.backoff import Backoff
from adaptd.daemon.health import Health
from adaptd.daemon.stream_loop import StreamLoop
from adaptd.errors import (
    PermanentError,
    StaleEpochError,
    StateDirectoryError,
    StoreUncertain,
    TransientError,
)

log = structlog.get_logger()


class StreamSlot:
    """Keeps one stream's trouble from the others."""

    def __init__(
        self,
        config: StreamConfig,
        *,
        open_loop: Callable[[StreamConfig], StreamLoop],
        backoff: Backoff,
        clock: Clock,
        health: Health,
    ) -> None:
        self._config = config
        self._open_loop = open_loop
        self._backoff = backoff
        self._clock = clock
        self._health = health
        self._loop: StreamLoop | None = None
        self._retry_at = float("-inf")
        self.failure: PermanentError | None = None
        health.obstruct(config.name, "starting")

    def step(self, *, timeout_seconds: float) -> bool:
        """One round. False where it did not wait for records, so that the caller pauses a little.

        A transient error is retried with backoff. A permanent one puts this stream out of service,
        see `failure`. Raises StaleEpochError and StateDirectoryError: they are the whole daemon's.
        """
        if self.failure is not None or self._clock.monotonic() < self._retry_at:
            return False
        try:
            if self._loop is None:
                self._loop = self._open_loop(self._config)
            self._loop.step(timeout_seconds=timeout_seconds)
        except StoreUncertain as error:
            # What the store holds is what has happened: as after a kill, it is gone on from there.
            if self._loop is not None:
                loop, self._loop = self._loop, None
                loop.abandon()
            self._retry_later(error)
            return False
        except TransientError as error:
            self._retry_later(error)
            return False
        except (StaleEpochError, StateDirectoryError):
            raise
        except PermanentError as error:
            self._fail(error)
            return False
        self._backoff.succeed()
        if self._loop.trouble is None:
            self._health.clear(self._config.name)
        else:
            self._health.obstruct(self._config.name, self._loop.trouble)
        return not self._loop.is_idle

    def close(self) -> None:
        """Ends the stream's worker and checkpoints what is whole."""
        if self._loop is not None:
            loop, self._loop = self._loop, None
            try:
                loop.close()
            except StoreUncertain as error:
                # Whoever owns the stream next goes on from what the store holds.
                log.warning("stream.unavailable", stream=self._config.name, error=str(error))

    def _retry_later(self, error: TransientError) -> None:
        wait = self._backoff.fail()
        self._retry_at = self._clock.monotonic() + wait
        self._health.obstruct(self._config.name, str(error))
        log.warning(
            "stream.unavailable", stream=self._config.name, error=str(error), retry_seconds=wait
        )

    def _fail(self, error: PermanentError) -> None:
        self.failure = error
        self._health.obstruct(self._config.name, str(error))
        log.error("stream.failed", stream=self._config.name, error=str(error))
        self.close()
