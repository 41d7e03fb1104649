"""`HessianStop`: a search ends before its optimum becomes too sharp to survive the choice."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from adaptd.search.guard import Guard, SearchView
from adaptd.search.guards.curvature import (
    Eigenpair,
    difference_product,
    dominant_eigenpair,
    hessian_product,
)
from adaptd.search.training import loss_on

# Steps of the alphas. An estimate takes some ten gradients, so that they are a few to one.
_EVERY = 4
# Estimates that one is compared with the one before, and the least quotient of the two: the
# paper's, whose estimates are epochs.
_LAG = 5
_RATIO = 0.75
# Estimates that are averaged. The paper's 5 would take more than a short search has.
_WINDOW = 3
# Share of the search before which nothing is judged. Alphas matter ever more while the weights
# learn: in searches of 100 to 200 steps the eigenvalue rose two- to sixfold in the first half.
_BEGINS_AT = 0.5
# Products of one estimate at most. Each goes out from the last one's vector: about four are taken.
_ITERATIONS = 10


class HessianStop(Guard):
    """Watches the dominant eigenvalue of the Hessian of the held-out loss over the alphas.

    Every so many steps of the alphas it is estimated by power iteration, in evaluation, where every
    path of a mixed edge is computed and none drawn: the search itself is not touched. With s(i)
    the mean magnitude of `window` estimates up to the i-th, the search ends where s(i - lag) / s(i)
    falls below the ratio, and the alphas go back to those of estimate i - lag, before the rise.
    Nothing is judged before `begins_at`, a share of the search. A warm search of a few hundred
    steps is too short for it: there learning alone doubles the eigenvalue to the end.

    Products are exact, by differentiating twice, or, for a network that has a part which can be
    differentiated only once, central differences of gradients. Its gradients do not count as steps.
    Raises ValueError for numbers below 1, a ratio outside (0, 1), a share outside [0, 1].
    Source: Zela et al. 2020, "Understanding and robustifying differentiable architecture search".
    """

    name = "hessian-stop"
    summary = "ends a search whose held-out loss curves ever more over the alphas (RobustDARTS)"

    def __init__(
        self,
        *,
        every: int = _EVERY,
        lag: int = _LAG,
        window: int = _WINDOW,
        ratio: float = _RATIO,
        begins_at: float = _BEGINS_AT,
    ) -> None:
        super().__init__()
        if min(every, lag, window) < 1 or not 0 < ratio < 1 or not 0 <= begins_at <= 1:
            raise ValueError(
                "expected every, lag and window of at least 1, a ratio in (0, 1) and a beginning "
                f"in [0, 1], got {every}, {lag}, {window}, {ratio} and {begins_at}"
            )
        self.begins_at = begins_at
        self.every, self.lag, self.window, self.ratio = every, lag, window, ratio
        self._alpha_steps = 0
        self._eigenvalues: list[float] = []
        self._vector: list[float] = []
        # Of the latest estimates, one more than the lag.
        self._logits: list[list[list[float]]] = []
        self.figures = {"estimates": 0, "products": 0, "is_exact": None}

    def after_step(self, view: SearchView) -> str | None:
        if not view.moved_alphas:
            return None
        self._alpha_steps += 1
        if self._alpha_steps % self.every:
            return None
        estimate = self._estimate(view)
        if not math.isfinite(estimate.value):
            return None
        alphas = view.supernet.architecture_parameters()
        self._vector = estimate.vector.tolist()
        self._eigenvalues.append(estimate.value)
        self._logits = [*self._logits[-self.lag :], [alpha.detach().tolist() for alpha in alphas]]
        self.figures |= {
            "estimates": len(self._eigenvalues),
            "products": self.figures["products"] + estimate.products,
            "first": self._eigenvalues[0],
            "last": self._eigenvalues[-1],
        }
        risen = rise(self._eigenvalues, lag=self.lag, window=self.window)
        if view.fraction < self.begins_at or risen is None or risen * self.ratio <= 1:
            return None
        self.acted = True
        for group, logits in zip(view.supernet.reopening.group_names, self._logits[0], strict=True):
            view.supernet.set_logits(group, logits)
        return (
            f"the dominant eigenvalue of the held-out loss over the alphas rose {risen:.2f} times "
            f"within {self.lag} estimates, to {self._eigenvalues[-1]:.3g}; "
            f"{1 / self.ratio:.2f} times ends a search"
        )

    def _estimate(self, view: SearchView) -> Eigenpair:
        supernet, task = view.supernet, view.task
        alphas = supernet.architecture_parameters()

        def loss() -> Tensor:
            return loss_on(view.held_out, supernet(view.held_out.x), task.loss)

        count = sum(alpha.numel() for alpha in alphas)
        start = torch.tensor(self._vector) if self._vector else _first_vector(count)
        start = start.to(alphas[0].detach())
        supernet.eval()
        try:
            if self.figures["is_exact"] is not False:
                try:
                    found = dominant_eigenpair(
                        hessian_product(loss, alphas), start, iterations=_ITERATIONS
                    )
                except RuntimeError:
                    # torch has no other word for an operation that cannot be differentiated twice.
                    self.figures["is_exact"] = False
                else:
                    self.figures["is_exact"] = True
                    return found
            return dominant_eigenpair(
                difference_product(loss, alphas), start, iterations=_ITERATIONS
            )
        finally:
            supernet.train()

    def state(self) -> Mapping[str, Any]:
        return {
            **super().state(),
            "alpha_steps": self._alpha_steps,
            "eigenvalues": list(self._eigenvalues),
            "vector": list(self._vector),
            "logits": list(self._logits),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self._alpha_steps = state["alpha_steps"]
        self._eigenvalues, self._vector = list(state["eigenvalues"]), list(state["vector"])
        self._logits = list(state["logits"])


def rise(eigenvalues: Sequence[float], *, lag: int, window: int) -> float | None:
    """By what factor the mean magnitude of the last `window` exceeds that of as many `lag` before;
    None for too few, or where there was no curvature before."""
    if len(eigenvalues) < lag + window:
        return None
    magnitudes = [abs(value) for value in eigenvalues]
    now = math.fsum(magnitudes[-window:])
    before = math.fsum(magnitudes[-window - lag : -lag])
    return now / before if before > 0 else None


def _first_vector(count: int) -> Tensor:
    """Any but a constant one, along which a softmax has no curvature; always the same."""
    return torch.randn(count, generator=torch.Generator().manual_seed(0))
