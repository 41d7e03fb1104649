"""`DelayedLabels`: the labels of a recorded or generated stream, so many records later."""

from collections.abc import Mapping

import numpy as np

from adaptd.stream.labels import LabelPoll, Labels
from adaptd.stream.source import Source, only_position


class DelayedLabels:
    """To try out what a delay of labels does, on a stream that has them in its records.

    source: the same stream once more, read behind the records. delay_records: how far behind.
    """

    follows_records = True

    def __init__(self, source: Source, *, delay_records: int) -> None:
        self._source = source
        self._delay = delay_records
        self._next = 0

    def seek(self, positions: Mapping[int, int]) -> None:
        self._next = only_position(positions, name="labels")
        self._source.seek(positions)

    def poll(
        self, *, maximum: int, records: Mapping[int, int], are_records_over: bool
    ) -> LabelPoll:
        reached = records.get(0, 0)
        due = reached - self._next if are_records_over else reached - self._delay - self._next
        if due <= 0:
            return LabelPoll(
                Labels.empty(), (), {0: self._next}, is_exhausted=are_records_over and due <= 0
            )
        poll = self._source.poll(maximum=min(maximum, due), timeout_seconds=0)
        self._next = poll.positions[0]
        batch = poll.batch
        # What does not fit was set aside when it came as a record.
        return LabelPoll(
            Labels(batch.ids, batch.target, np.full(len(batch), np.nan), batch.positions),
            (),
            {0: self._next},
            is_exhausted=are_records_over and self._next >= reached,
        )

    def lag(self) -> Mapping[int, int]:
        return {}

    def close(self) -> None:
        self._source.close()
