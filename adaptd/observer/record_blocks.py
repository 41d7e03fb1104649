"""`RecordBlocks`: cuts records with all that is known of them into blocks, however they came."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state
from adaptd.drift.block import SignalBlock

# Values of a record that signals look at; of a longer one every second or third along its axes.
# The records of a block that is not full travel in each checkpoint.
MOST_VALUES = 512
_FEWEST_POSITIONS = 8

_Columns = dict[str, NDArray[Any]]


class RecordBlocks:
    """Holds the records of the block that is not yet full. size: records a block."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._first = 0
        self._rest: _Columns = {}

    def put(self, first_record: int, columns: Mapping[str, NDArray[Any]]) -> list[SignalBlock]:
        """The blocks that these records fill, oldest first.

        first_record: the number of the first. columns: as `SignalBlock` names them, of n records;
        always the same ones. x is thinned to `MOST_VALUES`.
        """
        new = {**columns, "x": thinned(columns["x"])}
        count = len(new["x"])
        if not count:
            return []
        waiting = self.waiting
        if not waiting:
            self._first = first_record
        if waiting + count < self._size:
            self._rest = _joined(self._rest, new)
            return []
        together = _joined(self._rest, new)
        end = (waiting + count) // self._size * self._size
        starts = [
            # A block that began before records that nobody predicted keeps its first number.
            (place, self._first if place == 0 else first_record + place - waiting)
            for place in range(0, end, self._size)
        ]
        blocks = [
            SignalBlock(
                number,
                **{name: column[place : place + self._size] for name, column in together.items()},
            )
            for place, number in starts
        ]
        self._first = first_record + end - waiting
        # A copy, so that a few waiting records do not keep a whole poll in memory.
        self._rest = {name: column[end:].copy() for name, column in together.items()}
        return blocks

    @property
    def waiting(self) -> int:
        """Records of the block that is not yet full."""
        return len(self._rest["x"]) if self._rest else 0

    def clear(self) -> None:
        """Forgets the waiting records."""
        self._rest = {}

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "size": self._size,
            "first": self._first,
            "rest": {name: to_state(column) for name, column in self._rest.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken. Raises ValueError for blocks of another size."""
        if state["size"] != self._size:
            raise ValueError(f"blocks of {state['size']} records, expected {self._size}")
        self._first = int(state["first"])
        self._rest = {name: from_state(column) for name, column in state["rest"].items()}


def thinned(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, *shape] with every second position, or third, along the axes behind the channels, until a
    record has no more than `MOST_VALUES`, or 8 positions an axis; of a table all of it."""
    stride, sides = 1, x.shape[2:]
    while (
        sides
        and x.shape[1] * math.prod(-(-side // stride) for side in sides) > MOST_VALUES
        and min(sides) // (stride + 1) >= _FEWEST_POSITIONS
    ):
        stride += 1
    return x[(slice(None), slice(None), *[slice(None, None, stride)] * len(sides))]


def _joined(before: _Columns, after: _Columns) -> _Columns:
    if not before or not len(before["x"]):
        return {name: np.ascontiguousarray(column) for name, column in after.items()}
    return {name: np.concatenate([before[name], column]) for name, column in after.items()}
