"""`Batch`: records as columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Batch:
    """n records in stream order, labelled.

    x: float32 [n, *shape]. target: int64 [n], the class's place in the schema; -1 for one that is
    not labelled yet, which only the join of labels is given.
    ids: object [n] of str. timestamps: float64 [n], POSIX seconds, event time.
    positions: int64 [n, 2], (partition, offset) of each record.
    Raises ValueError if the columns differ in length.
    """

    x: NDArray[np.float32]
    target: NDArray[np.int64]
    ids: NDArray[np.object_]
    timestamps: NDArray[np.float64]
    positions: NDArray[np.int64]

    def __post_init__(self) -> None:
        records = len(self.x)
        columns = (self.target, self.ids, self.timestamps, self.positions)
        if any(len(column) != records for column in columns):
            raise ValueError(
                f"the columns of a batch must be of one length, got {records} in x and "
                f"{[len(column) for column in columns]} in target, ids, timestamps, positions"
            )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, records: slice) -> "Batch":
        """The records of a slice; a view, nothing is copied."""
        return Batch(
            self.x[records],
            self.target[records],
            self.ids[records],
            self.timestamps[records],
            self.positions[records],
        )

    def where(self, mask: NDArray[np.bool_]) -> "Batch":
        """The records at which `mask`, bool [n], is true, in their order."""
        return Batch(
            self.x[mask],
            self.target[mask],
            self.ids[mask],
            self.timestamps[mask],
            self.positions[mask],
        )

    def at(self, places: NDArray[np.integer]) -> "Batch":
        """The records at these places, int [n], in this order."""
        return Batch(
            self.x[places],
            self.target[places],
            self.ids[places],
            self.timestamps[places],
            self.positions[places],
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one record, without the batch axis."""
        return self.x.shape[1:]

    @classmethod
    def empty(cls, shape: Sequence[int]) -> "Batch":
        """No records, of that shape."""
        return cls(
            x=np.empty((0, *shape), np.float32),
            target=np.empty(0, np.int64),
            ids=np.empty(0, object),
            timestamps=np.empty(0, np.float64),
            positions=np.empty((0, 2), np.int64),
        )

    @staticmethod
    def concatenate(batches: Sequence["Batch"]) -> "Batch":
        """One after the other. Raises ValueError for none at all, or for different shapes."""
        if len(batches) == 1:
            return batches[0]
        return Batch(
            x=np.concatenate([batch.x for batch in batches]),
            target=np.concatenate([batch.target for batch in batches]),
            ids=np.concatenate([batch.ids for batch in batches]),
            timestamps=np.concatenate([batch.timestamps for batch in batches]),
            positions=np.concatenate([batch.positions for batch in batches]),
        )


def id_column(ids: Iterable[object]) -> NDArray[np.object_]:
    """Ids as the column of a batch: object [n] of str, whatever their lengths."""
    texts = list(map(str, ids))
    column = np.empty(len(texts), object)
    column[:] = texts
    return column
