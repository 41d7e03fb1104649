"""`Signal`: one way to look at blocks."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.betting import Bets
from adaptd.drift.block import SignalBlock


class Signal(Protocol):
    """Learns from the training blocks what is ordinary, then says how strange each block is.

    A score depends on its block (or its record) and on the training blocks alone, so that scores
    are exchangeable while records are: the guarantee of the alarm budget rests on that.
    """

    @property
    def name(self) -> str:
        """As alarms give it, such as `input-moments`."""
        ...

    @property
    def family(self) -> str:
        """Signals of one family share one part of the alarm budget; its name, if it has no kin."""
        ...

    @property
    def is_per_record(self) -> bool:
        """Whether `scores` gives one number a record; else it gives one a block."""
        ...

    @property
    def is_event(self) -> bool:
        """Whether each score is 0 or 1, of a record."""
        ...

    def can_read(self, block: SignalBlock) -> bool:
        """Whether the block has what this signal looks at, and it can say anything of it."""
        ...

    def fit(self, training: Sequence[SignalBlock]) -> Bets:
        """Once, before any `scores`; all blocks are of one size. Returns the bets on its p-values.

        Raises ValueError for too few blocks.
        """
        ...

    def scores(self, block: SignalBlock) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The stranger, the higher, float64 [k]; and the number of the record each begins with."""
        ...

    def state(self) -> dict[str, Any]:
        """What was learnt, as JSON values, exact."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes what `state` gave, in place of `fit`."""
        ...
