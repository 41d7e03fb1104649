"""What a model's predictions look like, without labels: distributions, never mean confidence.

On real sensor drift a network may stay as confident as it was while it is wrong two times of three,
so a mean says nothing of accuracy. That the distribution has changed says that the input has.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state
from adaptd.drift.block import SignalBlock, joined

_BINS = 8
_PRIOR = 0.5


def confidence(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """The largest probability of each record, float64 [n]; 0 where the model gave no number."""
    return np.nan_to_num(np.asarray(probabilities.max(axis=1), np.float64), nan=0.0)


def entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each record's probabilities, in nats, float64 [n]; that of guessing where there are none.

    Sees what confidence does not: how the rest is spread.
    """
    p = np.asarray(probabilities, np.float64)
    own = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(axis=1)
    return np.asarray(np.where(np.isfinite(p).all(axis=1), own, np.log(p.shape[1])))


class Distribution:
    """Float64 [8]: shares of a block's records in the bins of a number of each, square roots taken,
    so that every bin varies alike. Bins hold equal shares of the training."""

    def __init__(
        self, name: str, number: Callable[[NDArray[np.floating]], NDArray[np.float64]]
    ) -> None:
        self.name = name
        self._number = number
        self._edges: NDArray[np.float64] = np.empty(0)

    def can_read(self, block: SignalBlock) -> bool:
        return block.probabilities is not None and len(block) > 0

    def fit(self, training: Sequence[SignalBlock]) -> None:
        numbers = self._numbers(joined(training))
        self._edges = np.quantile(numbers, np.linspace(0, 1, _BINS + 1)[1:-1])

    def of(self, block: SignalBlock) -> NDArray[np.float64]:
        places = np.searchsorted(self._edges, self._numbers(block))
        return np.sqrt(np.bincount(places, minlength=_BINS) / len(block))

    def state(self) -> dict[str, Any]:
        return {"edges": to_state(self._edges)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._edges = from_state(state["edges"])

    def _numbers(self, block: SignalBlock) -> NDArray[np.float64]:
        assert block.probabilities is not None
        return self._number(block.probabilities)


class ClassShares:
    """Float64 [1]: the G-statistic of how often each class comes in a block, against the training.

    is_predicted: of the classes that the model predicts; else of the labels. classes: how many.
    """

    def __init__(self, name: str, classes: int, *, is_predicted: bool) -> None:
        self.name = name
        self._is_predicted = is_predicted
        self._shares: NDArray[np.float64] = np.full(classes, 1 / classes)

    def can_read(self, block: SignalBlock) -> bool:
        return self._classes(block) is not None

    def fit(self, training: Sequence[SignalBlock]) -> None:
        counts = self._counts(joined(training)) + _PRIOR
        self._shares = counts / counts.sum()

    def of(self, block: SignalBlock) -> NDArray[np.float64]:
        counts = self._counts(block)
        expected = self._shares * counts.sum()
        ratios = np.log(np.maximum(counts, _PRIOR) / expected)
        # A class that does not come adds nothing: 0 times its logarithm.
        return np.array([2 * (counts * ratios).sum()])

    def state(self) -> dict[str, Any]:
        return {"shares": to_state(self._shares)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._shares = from_state(state["shares"])

    def _classes(self, block: SignalBlock) -> NDArray[np.int64] | None:
        return block.predicted if self._is_predicted else block.target

    def _counts(self, block: SignalBlock) -> NDArray[np.float64]:
        classes = self._classes(block)
        assert classes is not None
        return np.bincount(classes, minlength=len(self._shares)).astype(np.float64)
