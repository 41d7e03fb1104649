"""`Deviation`: how far a block's figures lie from those of ordinary blocks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state

# Turns a median absolute deviation into a standard deviation, where figures are normal.
_NORMAL_MAD = 1.4826
# A figure that hardly ever moves must not make everything else look still; relative to its size.
_LEAST_SCALE = 1e-6


class Deviation:
    """Standardises vectors of figures by the median and spread of training blocks.

    figures: float64 [blocks, d]. Raises ValueError for fewer than two blocks.
    """

    def __init__(self, figures: NDArray[np.float64]) -> None:
        if len(figures) < 2:
            raise ValueError(f"a spread needs at least two blocks, got {len(figures)}")
        self.centre: NDArray[np.float64] = np.median(figures, axis=0)
        spread = _NORMAL_MAD * np.median(np.abs(figures - self.centre), axis=0)
        # Half of the blocks may be alike to the last bit where the figure is of counts.
        spread = np.where(spread > 0, spread, figures.std(axis=0))
        self.scale: NDArray[np.float64] = spread + _LEAST_SCALE * (1 + np.abs(self.centre))
        z = self.of(figures)
        one, all_of_them = np.abs(z).max(axis=1), (z**2).mean(axis=1)
        self._one = _place_and_width(one)
        self._all = _place_and_width(all_of_them)

    def of(self, figures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of one block [d] or several [blocks, d], in standard deviations."""
        z: NDArray[np.float64] = (figures - self.centre) / self.scale
        return z

    def score(self, figures: NDArray[np.float64]) -> float:
        """One number for a block's figures [d]: large if one of them is far off, or many a little.

        The larger of both, each in units of its own spread over the training blocks.
        """
        z = self.of(figures)
        one = (float(np.abs(z).max()) - self._one[0]) / self._one[1]
        all_of_them = (float((z**2).mean()) - self._all[0]) / self._all[1]
        return max(one, all_of_them)

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "centre": to_state(self.centre),
            "scale": to_state(self.scale),
            "one": list(self._one),
            "all": list(self._all),
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "Deviation":
        deviation = cls.__new__(cls)
        deviation.centre = from_state(state["centre"])
        deviation.scale = from_state(state["scale"])
        deviation._one = (float(state["one"][0]), float(state["one"][1]))
        deviation._all = (float(state["all"][0]), float(state["all"][1]))
        return deviation


def _place_and_width(values: NDArray[np.float64]) -> tuple[float, float]:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(middle), float(max(high - low, _LEAST_SCALE * (1 + abs(middle))))
