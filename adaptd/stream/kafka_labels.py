"""`KafkaLabels`: a topic of labels."""

from collections.abc import Mapping

import numpy as np

from adaptd.clock import Clock
from adaptd.stream.batch import id_column
from adaptd.stream.kafka import latest_time, rejects_of
from adaptd.stream.kafka_topic import KafkaTopic
from adaptd.stream.labels import LabelPoll, Labels
from adaptd.stream.schema import Schema


class KafkaLabels:
    """The labels of a topic, as `Schema.parse_labels` takes them, in the order of `PartitionMerge`.

    A label without a time has the broker's. maximum_ahead_seconds: as of a `KafkaSource`.
    """

    follows_records = False

    def __init__(
        self,
        schema: Schema,
        topic: KafkaTopic,
        *,
        clock: Clock,
        maximum_ahead_seconds: float | None = None,
    ) -> None:
        self._schema = schema
        self._topic = topic
        self._clock = clock
        self._maximum_ahead_seconds = maximum_ahead_seconds

    def seek(self, positions: Mapping[int, int]) -> None:
        self._topic.seek(positions)

    def poll(
        self,
        *,
        maximum: int,
        records: Mapping[int, int],  # noqa: ARG002  (labels come when they come)
        are_records_over: bool,  # noqa: ARG002
    ) -> LabelPoll:
        """As in `LabelSource`, and what `KafkaTopic.poll` raises."""
        messages = self._topic.poll(maximum=maximum, timeout_seconds=0)
        parsed = self._schema.parse_labels(
            messages.values, latest=latest_time(self._clock, self._maximum_ahead_seconds)
        )
        labels = Labels(
            ids=id_column(parsed.ids),
            target=parsed.target,
            times=np.where(np.isnan(parsed.times), messages.times[parsed.places], parsed.times),
            positions=messages.places[parsed.places],
        )
        return LabelPoll(
            labels,
            rejects_of(messages, parsed.faults),
            dict(self._topic.positions),
            is_exhausted=False,
        )

    def lag(self) -> Mapping[int, int]:
        return self._topic.lag()

    def close(self) -> None:
        self._topic.close()
