"""`KafkaSource`: a topic of records."""

from collections.abc import Mapping

import numpy as np

from adaptd.clock import Clock
from adaptd.stream.batch import Batch, id_column
from adaptd.stream.kafka_topic import KafkaTopic, Messages
from adaptd.stream.reject import Reject, UnfitRecordError
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll


class KafkaSource:
    """The records of a topic, as `Schema.parse_all` takes them, in the order of `PartitionMerge`.

    A record without a time has the broker's. has_targets: whether the class stands in the record;
    if not, it comes by itself later, and the batch's target is -1.
    maximum_ahead_seconds: a record whose event time is further ahead of the clock is rejected
    (time-ahead); None: none is.
    """

    def __init__(
        self,
        schema: Schema,
        topic: KafkaTopic,
        *,
        clock: Clock,
        has_targets: bool = True,
        maximum_ahead_seconds: float | None = None,
    ) -> None:
        self._schema = schema
        self._topic = topic
        self._clock = clock
        self._has_targets = has_targets
        self._maximum_ahead_seconds = maximum_ahead_seconds

    @property
    def schema(self) -> Schema:
        return self._schema

    def seek(self, positions: Mapping[int, int]) -> None:
        self._topic.seek(positions)

    def poll(self, *, maximum: int, timeout_seconds: float) -> Poll:
        """As in `Source`, and what `KafkaTopic.poll` raises."""
        messages = self._topic.poll(maximum=maximum, timeout_seconds=timeout_seconds)
        parsed = self._schema.parse_all(
            messages.values,
            needs_target=self._has_targets,
            latest=latest_time(self._clock, self._maximum_ahead_seconds),
        )
        batch = Batch(
            x=parsed.x,
            target=parsed.target,
            ids=id_column(parsed.ids),
            timestamps=np.where(
                np.isnan(parsed.times), messages.times[parsed.places], parsed.times
            ),
            positions=messages.places[parsed.places],
            weight=parsed.weight,
        )
        return Poll(
            batch,
            rejects_of(messages, parsed.faults),
            dict(self._topic.positions),
            is_exhausted=False,
            prediction=parsed.prediction,
        )

    def lag(self) -> Mapping[int, int]:
        return self._topic.lag()

    def close(self) -> None:
        self._topic.close()


def latest_time(clock: Clock, maximum_ahead_seconds: float | None) -> float | None:
    """The latest event time that may be, POSIX seconds; None where any may."""
    if maximum_ahead_seconds is None:
        return None
    return clock.now().timestamp() + maximum_ahead_seconds


def rejects_of(messages: Messages, faults: Mapping[int, UnfitRecordError]) -> tuple[Reject, ...]:
    """What is set aside. faults: which of the messages does not fit -> why."""
    return tuple(
        Reject(
            fault.reason,
            int(messages.places[place, 0]),
            int(messages.places[place, 1]),
            fault.detail,
            messages.values[place] or b"",
        )
        for place, fault in faults.items()
    )
