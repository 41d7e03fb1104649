"""What a stream's workers use of the processor, counted by the day."""

from datetime import date

from adaptd.daemon.context import StreamContext
from adaptd.registry import usage


class ComputeMeter:
    """Counts while a worker runs and not at its end: one that is cut off has used what it has, and
    so has one whose loop was abandoned before a commit."""

    def __init__(self, context: StreamContext) -> None:
        self._context = context
        self._day = usage.day_of(context.clock.now())
        origin = context.compute_origin
        if origin is None:
            self._counted = context.executor.cpu_seconds(context.stream)
        else:
            with context.database.read() as connection:
                self._counted = origin.counted(connection, context.stream)
        self._before = self._stored(self._day)

    def used_today(self) -> float:
        """Processor seconds of this day (UTC), those of earlier processes too. Raises
        StoreUnavailable."""
        self._turn()
        return self._before + self._uncounted()

    def count(self) -> None:
        """Puts what is new into the ledger, for the next commit."""
        self._turn()
        seconds, day = self._uncounted(), self._day
        if seconds <= 0:
            return
        self._counted += seconds
        self._before += seconds
        stream = self._context.stream
        self._context.metrics.compute_seconds.labels(stream).inc(seconds)
        self._context.ledger.add(
            lambda connection: usage.add(connection, stream=stream, day=day, cpu_seconds=seconds)
        )

    def _uncounted(self) -> float:
        return max(0.0, self._context.executor.cpu_seconds(self._context.stream) - self._counted)

    def _turn(self) -> None:
        today = usage.day_of(self._context.clock.now())
        if today != self._day:
            # First what may fail: half a turn would count yesterday's as today's.
            before = self._stored(today)
            self._day, self._before = today, before

    def _stored(self, day: date) -> float:
        with self._context.database.read() as connection:
            return usage.of_day(connection, stream=self._context.stream, day=day)
