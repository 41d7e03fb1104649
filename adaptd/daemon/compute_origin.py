"""`ComputeOrigin`: from where what a stream's workers use is counted on."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from adaptd.adaptation.executor import Executor
from adaptd.registry import usage


@dataclass(frozen=True)
class ComputeOrigin:
    """How it stood when this process took the stream up: what came since stands in the store or is
    still to be counted, whatever became of the loop that was to count it.

    day: that day (UTC). stored: what the store had of it. seconds: what the executor had counted.
    """

    day: date
    stored: float
    seconds: float

    @classmethod
    def now(
        cls, connection: Connection, stream: str, executor: Executor, *, now: datetime
    ) -> "ComputeOrigin":
        """At this moment."""
        day = usage.day_of(now)
        stored = usage.since(connection, stream=stream, day=day)
        return cls(day, stored, executor.cpu_seconds(stream))

    def counted(self, connection: Connection, stream: str) -> float:
        """How many of the executor's seconds the store has."""
        return self.seconds + usage.since(connection, stream=stream, day=self.day) - self.stored
