"""`Bag`: how strange a score is among those seen so far."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state


class Bag:
    """Scores of the past, and the conformal p-values of new ones among them.

    While scores are exchangeable, whatever their distribution, the p-values are independent and
    uniform on [0, 1], exactly: each is the rank of a score among those before it, ties broken at
    random. A bag beyond its capacity loses scores at random, never by age or size, which keeps
    that: what is left is independent of the ranks.
    Source: Vovk, Nouretdinov & Gammerman 2003, "Testing exchangeability on-line".

    capacity: scores kept.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a bag holds at least one score, got {capacity}")
        self._capacity = capacity
        self._sorted: NDArray[np.float64] = np.empty(0)

    def __len__(self) -> int:
        return len(self._sorted)

    def p_values(
        self, scores: NDArray[np.float64], randomness: np.random.Generator
    ) -> NDArray[np.float64]:
        """Takes scores [n] in order, each joining before the next; a high one has a small p-value.

        Returns float64 [n]. Raises ValueError for a score that is NaN.
        """
        if np.isnan(scores).any():
            raise ValueError("a score is not a number")
        ties = randomness.random(len(scores))
        below = np.searchsorted(self._sorted, scores, side="left")
        up_to = np.searchsorted(self._sorted, scores, side="right")
        # Those of this call that came before: strictly lower triangle.
        earlier = np.tri(len(scores), k=-1, dtype=bool)
        greater = (scores[None, :] > scores[:, None]) & earlier
        equal = (scores[None, :] == scores[:, None]) & earlier
        more = len(self._sorted) - up_to + greater.sum(axis=1)
        same = up_to - below + equal.sum(axis=1) + 1
        joined = len(self._sorted) + np.arange(1, len(scores) + 1)
        self._join(scores, randomness)
        p_values: NDArray[np.float64] = (more + ties * same) / joined
        return p_values

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {"sorted": to_state(self._sorted)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._sorted = from_state(state["sorted"])

    def _join(self, scores: NDArray[np.float64], randomness: np.random.Generator) -> None:
        everything = np.sort(np.concatenate([self._sorted, scores]), kind="stable")
        surplus = len(everything) - self._capacity
        if surplus > 0:
            gone = randomness.choice(len(everything), surplus, replace=False)
            everything = np.delete(everything, gone)
        self._sorted = everything
