"""`Moments`: mean and spread of each channel."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.block import SignalBlock

# Below any variance of a working sensor in float32; keeps the logarithm finite.
_LEAST_VARIANCE = 1e-12


class Moments:
    """float64 [2 channels]: the mean of each over the block's records and positions, then the
    logarithm of its variance, so that a gain is a step of the same size up or down."""

    name = "input-moments"

    def can_read(self, block: SignalBlock) -> bool:
        return block.x.size > 0

    def fit(self, training: Sequence[SignalBlock]) -> None:
        """Nothing to learn."""

    def of(self, block: SignalBlock) -> NDArray[np.float64]:
        values = block.channels
        is_there = np.isfinite(values)
        number = np.maximum(is_there.sum(axis=(0, 2)), 1)
        values = np.where(is_there, values, 0.0)
        mean = values.sum(axis=(0, 2)) / number
        around = np.where(is_there, values - mean[:, None], 0.0)
        variance = (around**2).sum(axis=(0, 2)) / number
        return np.concatenate([mean, np.log(variance + _LEAST_VARIANCE)])

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing was learnt."""
