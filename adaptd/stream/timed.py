"""`Timed`: lets a recorded or generated stream through as fast as it was recorded, or so many times
as fast."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from adaptd.clock import Clock
from adaptd.stream.batch import Batch
from adaptd.stream.event_pace import EventPace
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll, Source

# Seconds that a slow reader may catch up on. More would turn a pause into a flood.
_CREDIT_SECONDS = 1.0
# Seconds: what a sleep may end early by, for the rounding of times.
_ROUNDING_SECONDS = 1e-6


class Timed:
    """The source, `speed` seconds of event time a second. The pace begins with the first record,
    and begins anew where it is sought to. A record whose time lies before one that has come is due
    with that one.

    from_record: place in the source, whose one partition is 0, of the first record that is held to
    the pace; those before it come as fast as the source gives them.
    sleep: waits that many seconds; a test passes one that moves its clock.
    """

    def __init__(
        self,
        source: Source,
        *,
        speed: float,
        from_record: int = 0,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._pace = EventPace(speed, clock)
        self._from_record = from_record
        self._clock = clock
        self._sleep = sleep
        self._position = 0
        # What was read and is not due yet.
        self._rest: Poll | None = None
        self._latest = float("-inf")

    @property
    def schema(self) -> Schema:
        return self._source.schema

    def seek(self, positions: Mapping[int, int]) -> None:
        self._source.seek(positions)
        self._position = positions.get(0, 0)
        self._rest = None
        self._latest = float("-inf")
        self._pace.forget()

    def poll(self, *, maximum: int, timeout_seconds: float) -> Poll:
        """As the source's; where no record is due within the timeout, it waits and gives none.

        What falls due within the timeout comes together: a poll for each record would cost its
        reader far more than the records do.
        """
        until = self._clock.monotonic() + timeout_seconds
        ahead = self._from_record - self._position
        if ahead > 0:
            poll = self._source.poll(maximum=min(maximum, ahead), timeout_seconds=timeout_seconds)
            self._position = poll.positions[0]
            return poll
        if self._rest is None:
            self._rest = self._source.poll(maximum=maximum, timeout_seconds=timeout_seconds)
        times = self._rest.batch.timestamps[:maximum]
        if not len(times):
            return self._give(self._rest, 0)
        times = np.maximum.accumulate(np.maximum(times, self._latest))
        self._pace.put_off(max(0.0, -self._pace.due_in(float(times[0])) - _CREDIT_SECONDS))
        wait = min(self._pace.due_in(float(times[-1])), until - self._clock.monotonic())
        if wait > 0:
            self._sleep(wait)
        due = [self._pace.due_in(float(at)) <= _ROUNDING_SECONDS for at in times]
        count = len(due) if all(due) else due.index(False)
        if count:
            self._latest = float(times[count - 1])
        return self._give(self._rest, count)

    def lag(self) -> Mapping[int, int]:
        read = 0 if self._rest is None else self._rest.positions[0] - self._position
        return {partition: lag + read for partition, lag in self._source.lag().items()}

    def close(self) -> None:
        self._source.close()

    def _give(self, poll: Poll, count: int) -> Poll:
        """The first so many records, and what could not be read before the next one."""
        if count == len(poll.batch):
            self._rest = None
            self._position = poll.positions[0]
            return poll
        if not count:
            return Poll(Batch.empty(self.schema.shape), (), {0: self._position}, is_exhausted=False)
        self._position = int(poll.batch.positions[count, 1])
        given, kept = slice(None, count), slice(count, None)
        prediction = poll.prediction
        self._rest = replace(
            poll,
            batch=poll.batch[kept],
            rejects=tuple(one for one in poll.rejects if one.offset >= self._position),
            prediction=None if prediction is None else prediction[kept],
        )
        return Poll(
            poll.batch[given],
            tuple(one for one in poll.rejects if one.offset < self._position),
            {0: self._position},
            is_exhausted=False,
            prediction=None if prediction is None else prediction[given],
        )
