"""`StabilityIndex`: how the values of each channel spread over the reference's deciles."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state
from adaptd.drift.block import SignalBlock, joined

_BINS = 10
# Of a value more in each bin: no share is nothing, and no logarithm infinite.
_PRIOR = 0.5


def stability_index(shares: NDArray[np.float64], reference: NDArray[np.float64]) -> Any:
    """The population stability index, along the last axis: the sum of (q - p) ln(q / p).

    Both hold shares that are above 0; 0 for equal ones, by custom a shift from 0.25 on.
    """
    return ((shares - reference) * np.log(shares / reference)).sum(axis=-1)


class StabilityIndex:
    """float64 [channels]: each channel's population stability index over the training's deciles."""

    name = "input-psi"

    def __init__(self) -> None:
        self._edges: NDArray[np.float64] = np.empty((0, _BINS - 1))
        self._shares: NDArray[np.float64] = np.empty((0, _BINS))

    def can_read(self, block: SignalBlock) -> bool:
        return block.x.size > 0

    def fit(self, training: Sequence[SignalBlock]) -> None:
        values = _by_channel(joined(training))
        self._edges = np.nanquantile(values, np.linspace(0, 1, _BINS + 1)[1:-1], axis=1).T
        self._shares = self._spread(values)

    def of(self, block: SignalBlock) -> NDArray[np.float64]:
        return np.asarray(stability_index(self._spread(_by_channel(block)), self._shares))

    def state(self) -> dict[str, Any]:
        return {"edges": to_state(self._edges), "shares": to_state(self._shares)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._edges, self._shares = from_state(state["edges"]), from_state(state["shares"])

    def _spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        # How many lie above each edge says how many lie between them; a missing one is above none.
        above = np.stack([(values > edge[:, None]).sum(axis=1) for edge in self._edges.T], axis=1)
        present = np.isfinite(values).sum(axis=1, keepdims=True)
        ends = np.zeros((len(values), 1), above.dtype)
        counts = _PRIOR - np.diff(np.concatenate([present, above, ends], axis=1), axis=1)
        shares: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
        return shares


def _by_channel(block: SignalBlock) -> NDArray[np.float64]:
    """[channels, values], NaN where one is missing."""
    channels = block.channels
    values = channels.swapaxes(0, 1).reshape(channels.shape[1], -1)
    return np.where(np.isfinite(values), values, np.nan)
