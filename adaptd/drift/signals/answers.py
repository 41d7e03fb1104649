"""How right a model's answers are, record by record, where labels are there."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.betting import Bets
from adaptd.drift.block import SignalBlock, joined
from adaptd.drift.signals.outputs import confidence

# Records of a class below which its error rate is not worth a signal of its own.
_FEWEST_OF_CLASS = 20


class Error:
    """1 for a miss, 0 for a hit; of one class only, where it is given its place and name."""

    is_per_record = is_event = True

    def __init__(self, *, of_class: int | None = None, class_name: str = "") -> None:
        self._class = of_class
        self.name = "error" if of_class is None else f"error-of-{class_name}"
        self.family = "error" if of_class is None else "error-of-class"

    def can_read(self, block: SignalBlock) -> bool:
        return block.hits is not None and (self._class is None or block.target is not None)

    def fit(self, training: Sequence[SignalBlock]) -> Bets:
        misses, _ = self.scores(joined(training))
        if self._class is not None and len(misses) < _FEWEST_OF_CLASS:
            raise ValueError(f"{self.name}: {len(misses)} records are too few to learn from")
        return Bets.on_event((misses.sum() + 0.5) / (len(misses) + 1))

    def scores(self, block: SignalBlock) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        assert block.hits is not None
        chosen = slice(None) if self._class is None else block.target == self._class
        return (~block.hits[chosen]).astype(np.float64), block.records[chosen]

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The bets hold all that was learnt."""


class Loss:
    """The log loss: sees an answer that has become unsure before it is wrong."""

    name = family = "loss"
    is_per_record = True
    is_event = False

    def can_read(self, block: SignalBlock) -> bool:
        return block.losses is not None

    def fit(self, training: Sequence[SignalBlock]) -> Bets:  # noqa: ARG002  (ranks say it all)
        return Bets.general()

    def scores(self, block: SignalBlock) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        assert block.losses is not None
        return block.losses, block.records

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing was learnt."""


class Overconfidence:
    """The confidence of a miss, 0 less the confidence lacking for a hit: confidence minus hit.

    Its mean is how far the model claims more than it holds; `calibration_error` gives that by bin.
    """

    name = family = "calibration"
    is_per_record = True
    is_event = False

    def can_read(self, block: SignalBlock) -> bool:
        return block.hits is not None and block.probabilities is not None

    def fit(self, training: Sequence[SignalBlock]) -> Bets:
        assert all(block.hits is not None for block in training)
        hits = joined(training).hits
        assert hits is not None
        return Bets.on_event(((~hits).sum() / 2 + 0.5) / (len(hits) + 1))

    def scores(self, block: SignalBlock) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        assert block.hits is not None
        assert block.probabilities is not None
        return confidence(block.probabilities) - block.hits, block.records

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The bets hold all that was learnt."""
