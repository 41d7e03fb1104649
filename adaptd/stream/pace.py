"""`Paced`: lets a recorded or generated stream through at a steady rate."""

import time
from collections.abc import Callable, Mapping

from adaptd.clock import Clock
from adaptd.stream.batch import Batch
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll, Source

# What a slow reader may catch up on at once. More would turn a pause into a flood.
_CREDIT_SECONDS = 1.0


class Paced:
    """The source, at no more than `records_per_second`, rejected ones counted.

    from_record: place in the source, whose one partition is 0, of the first record that is held to
    the rate; those before it come as fast as the source gives them.
    sleep: waits that many seconds; a test passes one that moves its clock.
    """

    def __init__(
        self,
        source: Source,
        *,
        records_per_second: float,
        from_record: int = 0,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._rate = records_per_second
        self._from_record = from_record
        self._clock = clock
        self._sleep = sleep
        self._credit = 0.0
        self._seen = clock.monotonic()
        self._positions: Mapping[int, int] = {}

    @property
    def schema(self) -> Schema:
        return self._source.schema

    def seek(self, positions: Mapping[int, int]) -> None:
        self._source.seek(positions)
        self._positions = dict(positions)

    def poll(self, *, maximum: int, timeout_seconds: float) -> Poll:
        """As the source's; where no record is due within the timeout, it waits and gives none.

        What falls due within the timeout comes together: a poll for each record would cost its
        reader far more than the records do.
        """
        ahead = self._from_record - self._positions.get(0, 0)
        if ahead > 0:
            # Nothing is earned meanwhile: the first record of the pace waits for its turn.
            self._seen = self._clock.monotonic()
            poll = self._source.poll(maximum=min(maximum, ahead), timeout_seconds=timeout_seconds)
            self._positions = poll.positions
            return poll
        self._earn()
        wanted = min(maximum, max(1.0, self._rate * timeout_seconds))
        if self._credit < wanted:
            due = (1 - self._credit) / self._rate
            self._sleep(min((wanted - self._credit) / self._rate, timeout_seconds))
            self._earn()
            if due > timeout_seconds:
                return Poll(Batch.empty(self.schema.shape), (), self._positions, is_exhausted=False)
        # Waiting for a due record may end a rounding error early; it is due all the same.
        allowed = max(1, int(self._credit))
        poll = self._source.poll(maximum=min(maximum, allowed), timeout_seconds=timeout_seconds)
        self._credit -= len(poll.batch) + len(poll.rejects)
        self._positions = poll.positions
        return poll

    def lag(self) -> Mapping[int, int]:
        return self._source.lag()

    def close(self) -> None:
        self._source.close()

    def _earn(self) -> None:
        now = self._clock.monotonic()
        self._credit += (now - self._seen) * self._rate
        self._credit = min(self._credit, max(1.0, self._rate * _CREDIT_SECONDS))
        self._seen = now
