"""`DivergenceStop`: a loss that runs away without ever becoming NaN."""

from collections.abc import Mapping
from typing import Any

from adaptd.search.guard import Guard, SearchView
from adaptd.search.training import TrainingDiverged

# Of the loss, over the lowest it has been on average. A rise that is one of noise comes down again
# long before the patience ends; this one is far more than a learning rate or a fading skip makes.
_FACTOR = 3.0
# Steps of the weights in a row. One hard batch, or one large step, is over after two or three.
_PATIENCE = 25
# Steps of the weights that the lowest loss is an average over, and the first loss too. A single
# batch of a network that has nearly learnt its records may have a loss of almost nothing.
_HORIZON = 20


class DivergenceStop(Guard):
    """Ends a search whose training loss stays far above what it was.

    That is where the loss of `patience` steps of the weights in a row is above `factor` times the
    lowest moving average, and above the mean of the first 20 steps: the network is not only worse
    than it was but worse than before it learnt anything, for longer than noise lasts. Steps of the
    alphas do not count: held-out loss also rises where a network overfits.
    The search then ends at its last good state, none of which is kept while the loss is too high.
    Raises ValueError for a factor of 1 or less, or no patience.
    """

    name = "divergence-stop"
    summary = "ends a search whose loss runs away, at its last good state"

    def __init__(self, *, factor: float = _FACTOR, patience: int = _PATIENCE) -> None:
        super().__init__()
        if factor <= 1 or patience < 1:
            raise ValueError(
                f"expected a factor above 1 and a patience of at least 1 step, "
                f"got {factor} and {patience}"
            )
        self.factor, self.patience = factor, patience
        self._steps = 0
        self._first = self._average = self._lowest = 0.0
        self._in_a_row = 0
        self.figures = {"longest": 0, "patience": patience}

    @property
    def is_uneasy(self) -> bool:
        return self._in_a_row > 0

    def after_step(self, view: SearchView) -> str | None:
        """Raises TrainingDiverged."""
        if view.moved_alphas is False and view.loss is not None:
            self._note(view.loss)
        return None

    def _note(self, loss: float) -> None:
        self._steps += 1
        if self._steps <= _HORIZON:
            self._first += (loss - self._first) / self._steps
            self._average = self._lowest = self._first
            return
        bound = max(self.factor * self._lowest, self._first)
        self._in_a_row = self._in_a_row + 1 if loss > bound else 0
        self._average += (loss - self._average) / _HORIZON
        self._lowest = min(self._lowest, self._average)
        self.figures["longest"] = max(self.figures["longest"], self._in_a_row)
        if self._in_a_row >= self.patience:
            self.acted = True
            raise TrainingDiverged(
                f"the training loss was above {bound:.3g} for {self._in_a_row} steps in a row, "
                f"{loss:.3g} in the last; on average it had been as low as {self._lowest:.3g}"
            )

    def state(self) -> Mapping[str, Any]:
        return {
            **super().state(),
            "steps": self._steps,
            "losses": [self._first, self._average, self._lowest],
            "in_a_row": self._in_a_row,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self._steps, self._in_a_row = state["steps"], state["in_a_row"]
        self._first, self._average, self._lowest = state["losses"]
