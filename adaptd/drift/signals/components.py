"""`Components`: where records lie in the plane that they spread over, and how far off it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state
from adaptd.drift.block import SignalBlock, joined

_COMPONENTS = 8
_LEAST = 1e-9


class Components:
    """float64 [2 components + 1]: means of the principal components' scores, the logarithms of
    their mean squares, and that of the mean squared residual.

    The scores see shifts along what varies anyway, the residual sees anything new across it.
    Source: Jackson & Mudholkar 1979, "Control procedures for residuals associated with principal
    component analysis".
    """

    name = "input-components"

    def __init__(self) -> None:
        self._mean: NDArray[np.float64] = np.empty(0)
        self._axes: NDArray[np.float64] = np.empty((0, 0))

    def can_read(self, block: SignalBlock) -> bool:
        return block.x.size > len(block.x)

    def fit(self, training: Sequence[SignalBlock]) -> None:
        flat = _flat(joined(training))
        self._mean = np.nan_to_num(np.nanmean(flat, axis=0))
        around = self._around(flat)
        kept = min(_COMPONENTS, around.shape[1] - 1)
        # From the smaller of both products: a record may have more values than there are records.
        if around.shape[1] <= len(around):
            _, vectors = np.linalg.eigh(around.T @ around)
            self._axes = vectors[:, ::-1][:, :kept].T.copy()
        else:
            _, vectors = np.linalg.eigh(around @ around.T)
            axes = vectors[:, ::-1][:, :kept].T @ around
            self._axes = axes / (np.linalg.norm(axes, axis=1, keepdims=True) + _LEAST)

    def of(self, block: SignalBlock) -> NDArray[np.float64]:
        around = self._around(_flat(block))
        scores = around @ self._axes.T
        residual = (around**2).sum(axis=1) - (scores**2).sum(axis=1)
        size = max(1, around.shape[1] - len(self._axes))
        return np.concatenate(
            [
                scores.mean(axis=0),
                np.log((scores**2).mean(axis=0) + _LEAST),
                [np.log(max(float(residual.mean()), 0.0) / size + _LEAST)],
            ]
        )

    def state(self) -> dict[str, Any]:
        return {"mean": to_state(self._mean), "axes": to_state(self._axes)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._mean, self._axes = from_state(state["mean"]), from_state(state["axes"])

    def _around(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        """A missing value counts as the mean."""
        return np.nan_to_num(flat - self._mean, nan=0.0)


def _flat(block: SignalBlock) -> NDArray[np.float64]:
    flat = block.x.reshape(len(block), -1).astype(np.float64)
    return np.where(np.isfinite(flat), flat, np.nan)
