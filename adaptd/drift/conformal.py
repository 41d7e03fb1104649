"""`Bag` and `EventBag`: how strange a score is among those seen so far."""

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


class EventBag:
    """A `Bag` of scores that are 1 or 0, an event or none, in two counts: it may hold many more.

    What is compared joins what is compared with, also after a change. The larger the bag, the
    longer a slow rise takes to fill it with itself.

    capacity: scores kept.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a bag holds at least one score, got {capacity}")
        self._capacity = capacity
        self._events = 0
        self._others = 0

    def __len__(self) -> int:
        return self._events + self._others

    def p_values(
        self, scores: NDArray[np.float64], randomness: np.random.Generator
    ) -> NDArray[np.float64]:
        """As of `Bag`. Raises ValueError for a score that is neither 0 nor 1."""
        is_event = scores == 1
        if not (is_event | (scores == 0)).all():
            raise ValueError("a score is neither 0 nor 1")
        ties = randomness.random(len(scores))
        place = np.arange(len(scores))
        before = np.cumsum(is_event) - is_event
        events, others = self._events + before, self._others + place - before
        same = np.where(is_event, events, others) + 1
        p_values: NDArray[np.float64] = (np.where(is_event, 0, events) + ties * same) / (
            len(self) + place + 1
        )
        self._events += int(is_event.sum())
        self._others += int((~is_event).sum())
        surplus = len(self) - self._capacity
        if surplus > 0:
            gone = int(randomness.hypergeometric(self._events, self._others, surplus))
            self._events -= gone
            self._others -= surplus - gone
        return p_values

    def state(self) -> dict[str, Any]:
        """As JSON values, exact; such as a `Bag` of few values has."""
        values, counts = np.array([0.0, 1.0]), np.array([self._others, self._events])
        return {"values": to_state(values), "counts": to_state(counts)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Also of what `Bag` gave."""
        if "sorted" in state:
            values = from_state(state["sorted"])
            counts = np.ones(len(values), np.int64)
        else:
            values, counts = from_state(state["values"]), from_state(state["counts"])
        self._events = int(counts[values == 1].sum())
        self._others = int(counts[values == 0].sum())
