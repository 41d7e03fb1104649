"""`Stretches`: stretches of records, known by their places in the source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state

# Of the latest that are kept, one for each partition that a stretch has records of: 32 stretches of
# 64 partitions, or 2,048 of one. They travel in each checkpoint, 24 bytes each.
MOST_ROWS = 2_048

_Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Index:
    """Rows, int64 [n, 3], by partition and first offset, to be searched for many records at once.

    firsts: all first offsets, in order. keys: of each row, a number that grows along them.
    """

    rows: NDArray[np.int64]
    firsts: NDArray[np.int64]
    keys: NDArray[np.int64]

    @classmethod
    def of(cls, rows: NDArray[np.int64]) -> "_Index":
        rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
        firsts = np.sort(rows[:, 1])
        return cls(rows, firsts, _keys(rows[:, :2], rows, firsts))

    def hold(self, positions: _Positions) -> NDArray[np.bool_]:
        if not len(self.rows):
            return np.zeros(len(positions), np.bool_)
        keys = _keys(positions, self.rows, self.firsts)
        place = np.searchsorted(self.keys, keys, side="right") - 1
        row = self.rows[np.maximum(place, 0)]
        is_held: NDArray[np.bool_] = (
            (place >= 0) & (row[:, 0] == positions[:, 0]) & (positions[:, 1] < row[:, 2])
        )
        return is_held


def _keys(
    positions: _Positions, rows: NDArray[np.int64], firsts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """By partition, then by offset, as far as the rows tell offsets apart; int64 [n]."""
    before = np.searchsorted(rows[:, 0], positions[:, 0])
    rank = np.searchsorted(firsts, positions[:, 1], side="right")
    return before * (len(rows) + 1) + rank


class Stretches:
    """Each of consecutive records, numbered as they came. One that overlaps or touches the one
    before it is part of that.

    Keeps about `MOST_ROWS` rows (partition, offset of its first record, the one after its last).
    """

    def __init__(self) -> None:
        self._latest: tuple[int, int] | None = None
        # Of the latest: partition -> [first, end].
        self._open: dict[int, list[int]] = {}
        # Of those before, in the order in which they came: int64 [n, 3].
        self._closed: NDArray[np.int64] = np.empty((0, 3), np.int64)
        # None where it has to be made anew.
        self._index: _Index | None = None

    @property
    def latest(self) -> tuple[int, int] | None:
        """(first record, the one after the last), which may still become later; None of none."""
        return self._latest

    def put(self, first: int, end: int) -> None:
        """Adds one, that ends later than those before, whose records have all come."""
        if self._latest is not None and first <= self._latest[1]:
            self._latest = (self._latest[0], end)
            return
        kept = np.concatenate([self._closed, self._rows()])
        self._closed = kept[max(0, len(kept) - MOST_ROWS) :].copy()
        self._latest, self._open = (first, end), {}

    def cover(self, first_record: int, positions: _Positions) -> None:
        """Adds to the latest those that belong to it, of records that came one after the other;
        int64 [n, 2] (partition, offset), in which the offsets of a partition grow."""
        if self._latest is None:
            return
        start, stop = (max(0, number - first_record) for number in self._latest)
        own = positions[start:stop]
        if not len(own):
            return
        partitions, firsts = np.unique(own[:, 0], return_index=True)
        lasts = len(own) - 1 - np.unique(own[::-1, 0], return_index=True)[1]
        ends = own[lasts, 1] + 1
        for partition, first, end in zip(
            partitions.tolist(), own[firsts, 1].tolist(), ends.tolist(), strict=True
        ):
            row = self._open.setdefault(partition, [first, end])
            row[0], row[1] = min(row[0], first), max(row[1], end)
        self._index = None

    def hold(self, positions: _Positions) -> NDArray[np.bool_]:
        """Which of the records, int64 [n, 2] (partition, offset), belong to one; bool [n]."""
        if self._index is None:
            self._index = _Index.of(np.concatenate([self._closed, self._rows()]))
        return self._index.hold(positions)

    def state(self) -> dict[str, Any]:
        """As JSON values, exact; of bounded size."""
        return {
            "latest": None if self._latest is None else list(self._latest),
            "open": to_state(self._rows()),
            "closed": to_state(self._closed),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken."""
        latest = state["latest"]
        self._latest = None if latest is None else (int(latest[0]), int(latest[1]))
        self._open = {row[0]: row[1:] for row in from_state(state["open"]).tolist()}
        self._closed = from_state(state["closed"])
        self._index = None

    def _rows(self) -> NDArray[np.int64]:
        """Of the latest, by partition."""
        rows = [[partition, *row] for partition, row in sorted(self._open.items())]
        return np.array(rows, np.int64).reshape(-1, 3)
