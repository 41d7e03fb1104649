"""`Window`: the latest labelled records, by record number."""

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.batch import Batch


class Window:
    """The latest `capacity` records of a stream, for training and for trials.

    Records are numbered from 0 through the life of the stream. shape: of one record.
    """

    def __init__(self, capacity: int, shape: Sequence[int], *, next_record: int = 0) -> None:
        if capacity < 1:
            raise ValueError(f"a window holds at least one record, got {capacity}")
        self.capacity = capacity
        self._shape = tuple(shape)
        self._parts: deque[tuple[int, Batch]] = deque()
        self._start = next_record
        self._next = next_record

    @classmethod
    def restored(
        cls,
        capacity: int,
        shape: Sequence[int],
        parts: Iterable[tuple[int, Batch]],
        *,
        next_record: int,
    ) -> "Window":
        """The window of a checkpoint, from its segments: (first record, batch), oldest first.

        Records from `next_record` on were written after the checkpoint and are left out: the source
        gives them again.
        Raises ValueError where a gap lies between two segments, or before `next_record`.
        """
        window: Window | None = None
        for first, batch in parts:
            if window is None:
                window = cls(capacity, shape, next_record=first)
            if first != window.next_record:
                raise ValueError(
                    f"the window's segments leave a gap: expected record {window.next_record}, "
                    f"got {first}"
                )
            window.append(batch[: max(0, next_record - first)])
            if window.next_record == next_record:
                break
        if window is None:
            return cls(capacity, shape, next_record=next_record)
        if window.next_record != next_record:
            raise ValueError(
                f"the window's segments end before record {window.next_record}, "
                f"expected {next_record}"
            )
        return window

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one record."""
        return self._shape

    @property
    def first_record(self) -> int:
        """Number of the oldest record held; `next_record` if none is."""
        return max(self._start, self._next - self.capacity)

    @property
    def next_record(self) -> int:
        """Number that the next record will have."""
        return self._next

    @property
    def latest_time(self) -> float | None:
        """Event time of the records that came last, the latest of them, POSIX seconds; None where
        none is held."""
        return float(self._parts[-1][1].timestamps.max()) if self._parts else None

    def __len__(self) -> int:
        return self._next - self.first_record

    def append(self, batch: Batch) -> int:
        """Adds the records that follow; returns the number of the first of them.

        Raises ValueError for records of another shape.
        """
        if batch.shape != self._shape:
            raise ValueError(f"expected records of shape {self._shape}, got {batch.shape}")
        first = self._next
        if len(batch):
            self._parts.append((first, batch))
            self._next += len(batch)
        while self._parts and self._end_of(self._parts[0]) <= self.first_record:
            self._parts.popleft()
        return first

    def between(self, first: int, end: int) -> Batch:
        """The records numbered `first` to `end - 1`, in order.

        Raises ValueError if the window does not hold all of them.
        """
        if not self.first_record <= first <= end <= self._next:
            raise ValueError(
                f"records {first} to {end} were asked for; "
                f"the window holds {self.first_record} to {self._next}"
            )
        pieces = [
            batch[max(0, first - start) : end - start]
            for start, batch in self._parts
            if start < end and start + len(batch) > first
        ]
        return Batch.concatenate(pieces) if pieces else Batch.empty(self._shape)

    def positions(self, first: int, end: int) -> NDArray[np.int64]:
        """Those in the source of the records numbered `first` to `end - 1`, int64 [n, 2], of all
        that the window holds of them."""
        pieces = [
            batch.positions[max(0, first - start) : max(0, end - start)]
            for start, batch in self._parts
        ]
        return np.concatenate([np.empty((0, 2), np.int64), *pieces])

    @staticmethod
    def _end_of(part: tuple[int, Batch]) -> int:
        start, batch = part
        return start + len(batch)
