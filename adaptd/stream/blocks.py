"""`Blocks`: cuts a record sequence into fixed-size blocks, however it was polled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive records of a fixed number. values: column -> float64 [records], in order."""

    first_record: int
    values: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))


class Blocks:
    """Holds the records of the block that is not yet full.

    size: records a block. columns: what is known of each record, say its hit and its loss.
    Blocks begin at the first record ever put, and after `clear` at the first one after it: where a
    poll ended makes no difference. Records may be left out in between.
    """

    def __init__(self, size: int, columns: Sequence[str]) -> None:
        if size < 1 or not columns:
            raise ValueError(f"a block needs records and columns, got {size} and {list(columns)}")
        self.size = size
        self.columns = tuple(columns)
        self._next = 0
        self._numbers = np.empty(0, np.int64)
        self._rest: dict[str, NDArray[np.float64]] = {}
        self.clear()

    def put(self, first_record: int, values: Mapping[str, NDArray[np.generic]]) -> list[Block]:
        """The blocks that these records fill, oldest first; the rest waits for the next ones.

        values: every column, numbers or booleans [n]; n may be 0.
        Raises ValueError for records that come before the last ones, and for other columns.
        """
        arrays = {name: np.asarray(column, np.float64) for name, column in values.items()}
        lengths = {len(array) for array in arrays.values()}
        if arrays.keys() != set(self.columns) or len(lengths) != 1:
            raise ValueError(
                f"expected {list(self.columns)} of one length, "
                f"got { {name: len(array) for name, array in values.items()} }"
            )
        if not lengths.pop():
            return []
        if first_record < self._next:
            raise ValueError(f"expected records from {self._next} on, got {first_record}")
        count = len(next(iter(arrays.values())))
        self._next = first_record + count
        numbers = np.concatenate([self._numbers, np.arange(first_record, self._next)])
        rest = {name: np.concatenate([self._rest[name], arrays[name]]) for name in self.columns}
        end = len(numbers) // self.size * self.size
        blocks = [
            Block(
                int(numbers[start]),
                {name: column[start : start + self.size] for name, column in rest.items()},
            )
            for start in range(0, end, self.size)
        ]
        # A copy, so that a few waiting records do not keep a whole poll in memory.
        self._numbers = numbers[end:].copy()
        self._rest = {name: column[end:].copy() for name, column in rest.items()}
        return blocks

    @property
    def waiting(self) -> int:
        """Records of the block that is not yet full."""
        return len(self._numbers)

    def clear(self) -> None:
        """Forgets the waiting records; the next block begins with the next record."""
        self._numbers = np.empty(0, np.int64)
        self._rest = {name: np.empty(0) for name in self.columns}

    def state(self) -> dict[str, Any]:
        """Plain JSON values, exact; `restore` takes them."""
        return {
            "size": self.size,
            "numbers": self._numbers.tolist(),
            "next_record": self._next,
            "rest": {name: column.tolist() for name, column in self._rest.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken. Raises ValueError for another size or columns."""
        if state["size"] != self.size or set(state["rest"]) != set(self.columns):
            raise ValueError(
                f"the state is of blocks of {state['size']} records with {sorted(state['rest'])}, "
                f"expected {self.size} with {sorted(self.columns)}"
            )
        self._numbers = np.asarray(state["numbers"], np.int64)
        self._next = int(state["next_record"])
        self._rest = {name: np.asarray(state["rest"][name], np.float64) for name in self.columns}
