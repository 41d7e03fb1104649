"""`SignalBlock`: what is known of a block's records, the unit that every signal reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import optional_from_state, optional_to_state
from adaptd.drift.fault_shares import fault_shares

# All that is known of each record.
COLUMNS = ("x", "probabilities", "target", "hits", "losses", "times")


@dataclass(frozen=True, eq=False)
class SignalBlock:
    """n consecutive records; whatever is not known of them is None.

    first_record: number of the first one. x: float32 [n, *shape]; a value that is missing is not
    finite. probabilities: float [n, classes], of the model that is watched. target: int64 [n], the
    class's place. hits: bool [n]. losses: float64 [n], in nats. times: float64 [n], POSIX seconds,
    event time.
    Raises ValueError for columns of other lengths.
    """

    first_record: int
    x: NDArray[np.float32]
    probabilities: NDArray[np.floating] | None = None
    target: NDArray[np.int64] | None = None
    hits: NDArray[np.bool_] | None = None
    losses: NDArray[np.float64] | None = None
    times: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        columns = (self.probabilities, self.target, self.hits, self.losses, self.times)
        if any(column is not None and len(column) != len(self) for column in columns):
            raise ValueError(f"expected columns of {len(self)} records, as x has")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def records(self) -> NDArray[np.int64]:
        """The records' numbers, int64 [n]."""
        return np.arange(self.first_record, self.first_record + len(self))

    @property
    def predicted(self) -> NDArray[np.int64] | None:
        """The likeliest class of each record, int64 [n]."""
        return None if self.probabilities is None else self.probabilities.argmax(axis=1)

    @cached_property
    def channels(self) -> NDArray[np.float64]:
        """x as float64 [n, channels, positions], not to be written to; of a table each column is a
        channel of one."""
        values = self.x.reshape(len(self), self.x.shape[1], -1).astype(np.float64)
        values.flags.writeable = False
        return values

    @cached_property
    def fault_shares(self) -> NDArray[np.float64]:
        """As `fault_shares` of x, float64 [channels, 3], not to be written to."""
        shares = fault_shares(self.x)
        shares.flags.writeable = False
        return shares

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "first_record": self.first_record,
            **{name: optional_to_state(getattr(self, name)) for name in COLUMNS},
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "SignalBlock":
        columns: dict[str, Any] = {name: optional_from_state(state[name]) for name in COLUMNS}
        return cls(int(state["first_record"]), **columns)


def joined(blocks: Sequence[SignalBlock]) -> SignalBlock:
    """Blocks that follow each other, as one; a column that one of them has not is None.

    Raises ValueError for no blocks.
    """
    if not blocks:
        raise ValueError("there are no blocks to join")

    def column(name: str) -> Any:
        parts = [getattr(block, name) for block in blocks]
        return None if any(part is None for part in parts) else np.concatenate(parts)

    return SignalBlock(blocks[0].first_record, **{name: column(name) for name in COLUMNS})
