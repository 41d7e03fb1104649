"""`Faults`: channels that are missing, constant, or stuck at their last record."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state
from adaptd.drift.betting import Bets
from adaptd.drift.block import SignalBlock

# What a channel can have, in the order of `SignalBlock.fault_shares`.
FAULTS = ("missing", "constant", "stuck")

# Of what was not faulty in any training block, the share from which a channel is called broken.
_BROKEN = 0.5
# A channel that was so as often in training (a flag, a sparse count) says nothing by being so.
_USUAL = 0.5

# Records of a block that can be looked at in passing.
_FEWEST = 3

# A broken channel resembles nothing, so a few blocks are enough; but it resembles itself: among
# 100 blocks of reference, the fifth broken one is no more than one of five that are the strangest.
_BETS = Bets(bounds=(0.01, 0.03, 0.06, 0.12), factors=(95.0, 32.0, 16.0, 8.0))


class Faults:
    """Scores a block by the largest share of records that are faulty in a channel, beyond what the
    training had; nearly always 0 while the sensor works."""

    name = family = "input-faults"
    is_per_record = is_event = False

    def __init__(self) -> None:
        self._usual: NDArray[np.float64] = np.empty((0, len(FAULTS)))

    @property
    def is_fitted(self) -> bool:
        return len(self._usual) > 0

    def can_read(self, block: SignalBlock) -> bool:
        return block.x.size > 0

    def fit(self, training: Sequence[SignalBlock]) -> Bets:
        self._usual = np.max([block.fault_shares for block in training], axis=0)
        return _BETS

    def scores(self, block: SignalBlock) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        return np.array([float(self.excess(block).max())]), np.array([block.first_record])

    def excess(self, block: SignalBlock) -> NDArray[np.float64]:
        """Float64 [channels, 3] in [0, 1]: how far each fault goes beyond the training's most."""
        beyond = (block.fault_shares - self._usual) / np.maximum(1 - self._usual, 1e-9)
        return np.where(self._usual < _USUAL, np.clip(beyond, 0, 1), 0.0)

    def broken(self, block: SignalBlock) -> dict[int, str]:
        """Channel -> what it has, of those that are broken over this block."""
        if not self._may_be_broken(block):
            return {}
        excess = self.excess(block)
        return {
            int(channel): FAULTS[int(excess[channel].argmax())]
            for channel in np.flatnonzero(excess.max(axis=1) >= _BROKEN)
        }

    def _may_be_broken(self, block: SignalBlock) -> bool:
        """False where none can be: at little cost, since every block is looked at.

        A channel that is broken has its fault in at least half of the records, so in part of each
        such record, and a value that half of them have stands in two of three somewhere.
        """
        if len(block) < _FEWEST or not np.isfinite(block.x).all():
            return True
        values = block.x.reshape(len(block), block.x.shape[1], -1)
        first = values[:, :, 0]
        again = first[1:] == first[:-1]
        if values.shape[2] > 1:
            constant = (values[:, :, 1] == first).mean(axis=0) >= _BROKEN
        else:
            constant = again.any(axis=0) | (first[2:] == first[:-2]).any(axis=0)
        stuck = again.mean(axis=0) >= _BROKEN
        is_new = self._usual < _USUAL
        return bool((constant & is_new[:, 1]).any() or (stuck & is_new[:, 2]).any())

    def state(self) -> dict[str, Any]:
        return {"usual": to_state(self._usual)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._usual = from_state(state["usual"])
