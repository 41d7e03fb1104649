"""`StoreWatch`: whether the store takes what a stream writes, and how long it is left alone."""

import structlog

from adaptd.daemon.context import StreamContext
from adaptd.errors import DeliveryBehind, StoreUnavailable

log = structlog.get_logger()

# How long a stream rests after the store could not take its checkpoint.
STORE_RETRY_SECONDS = 1.0


class StoreWatch:
    """Of one stream. Tells of each absence once, however often it is met."""

    def __init__(self, context: StreamContext) -> None:
        self._context = context
        self._trouble: str | None = None
        self._resume_at = float("-inf")

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written, None where it can."""
        return self._trouble

    @property
    def is_resting(self) -> bool:
        """Whether it is too early to try again."""
        return self._context.clock.monotonic() < self._resume_at

    def failed(self, error: StoreUnavailable) -> None:
        """Something could not be written."""
        stream, was_there = self._context.stream, self._trouble is None
        if isinstance(error, DeliveryBehind):
            # The store is well: who takes what is set aside is slower than it comes.
            if was_there:
                log.warning("rejects.waiting", stream=stream, error=str(error))
            self._trouble = str(error)
        else:
            if was_there:
                log.error("store.unavailable", stream=stream, error=str(error))
            self._context.metrics.store_unavailable.labels(stream).inc()
            self._trouble = f"the store cannot be written: {error}"
        self._resume_at = self._context.clock.monotonic() + STORE_RETRY_SECONDS

    def succeeded(self) -> None:
        """A checkpoint was written."""
        if self._trouble is not None:
            log.info("store.available", stream=self._context.stream)
        self._trouble = None
