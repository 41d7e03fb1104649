"""`Batch`: records as columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Batch:
    """n records in stream order, labelled.

    x: float32 [n, *shape]. target: int64 [n], the class's place in the schema; -1 for one that is
    not labelled yet, which only the join of labels is given.
    ids: object [n] of str. timestamps: float64 [n], POSIX seconds, event time.
    positions: int64 [n, 2], (partition, offset) of each record.
    weight: float32 [n], above 0, how much each counts in training; None: every record weighs 1.
    Raises ValueError if the columns differ in length.
    """

    x: NDArray[np.float32]
    target: NDArray[np.int64]
    ids: NDArray[np.object_]
    timestamps: NDArray[np.float64]
    positions: NDArray[np.int64]
    weight: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"the columns of a batch must be of one length, got {lengths}")

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, records: slice) -> "Batch":
        """The records of a slice; a view, nothing is copied."""
        return self._picked(records)

    def where(self, mask: NDArray[np.bool_]) -> "Batch":
        """The records at which `mask`, bool [n], is true, in their order."""
        return self._picked(mask)

    def at(self, places: NDArray[np.integer]) -> "Batch":
        """The records at these places, int [n], in this order."""
        return self._picked(places)

    def _picked(self, records: slice | NDArray[np.bool_] | NDArray[np.integer]) -> "Batch":
        return Batch(**{name: column[records] for name, column in self._columns.items()})

    @property
    def _columns(self) -> dict[str, NDArray[Any]]:
        """Those that are there, by the names of the fields."""
        return {name: column for name, column in vars(self).items() if column is not None}

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
        """One after the other; where some have weights, the records of the others weigh 1.

        Raises ValueError for none at all, or for different shapes.
        """
        first, *others = batches
        if not others:
            return first
        columns = [batch._columns for batch in batches]
        if any("weight" in one for one in columns):
            for one in columns:
                one.setdefault("weight", np.ones(len(one["x"]), np.float32))
        return Batch(
            **{name: np.concatenate([one[name] for one in columns]) for name in columns[0]}
        )


def id_column(ids: Iterable[object]) -> NDArray[np.object_]:
    """Ids as the column of a batch: object [n] of str, whatever their lengths."""
    texts = list(map(str, ids))
    column = np.empty(len(texts), object)
    column[:] = texts
    return column
