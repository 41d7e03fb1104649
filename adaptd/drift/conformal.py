"""`Bag`: how strange a score is among those seen so far."""

import math
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

    def p_value(self, score: float, tie: float, gone: float) -> float:
        """As `p_values`, of one score. tie, gone: uniform on [0, 1), independent of everything: of
        its ties, and which one leaves a bag that is full.

        Raises ValueError for NaN.
        """
        if math.isnan(score):
            raise ValueError("a score is not a number")
        held = self._sorted
        below = int(held.searchsorted(score, side="left"))
        up_to = int(held.searchsorted(score, side="right"))
        p_value = (len(held) - up_to + tie * (up_to - below + 1)) / (len(held) + 1)
        held = np.concatenate([held[:up_to], [score], held[up_to:]])
        if len(held) > self._capacity:
            place = int(gone * len(held))
            held = np.concatenate([held[:place], held[place + 1 :]])
        self._sorted = held
        return p_value

    def state(self) -> dict[str, Any]:
        """As JSON values, exact; small where few values come again and again."""
        values, counts = np.unique(self._sorted, return_counts=True)
        if len(values) > len(self._sorted) // 2:
            return {"sorted": to_state(self._sorted)}
        return {"values": to_state(values), "counts": to_state(counts)}

    def restore(self, state: Mapping[str, Any]) -> None:
        if "sorted" in state:
            self._sorted = from_state(state["sorted"])
        else:
            self._sorted = np.repeat(from_state(state["values"]), from_state(state["counts"]))

    def _join(self, scores: NDArray[np.float64], randomness: np.random.Generator) -> None:
        everything = np.sort(np.concatenate([self._sorted, scores]), kind="stable")
        surplus = len(everything) - self._capacity
        if surplus > 0:
            kept = np.ones(len(everything), bool)
            kept[randomness.choice(len(everything), surplus, replace=False, shuffle=False)] = False
            everything = everything[kept]
        self._sorted = everything
