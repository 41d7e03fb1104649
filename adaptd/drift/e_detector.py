"""`EDetector`: evidence that a sequence of e-values has begun to grow, at an unknown moment."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state


class EDetector:
    """The Shiryaev-Roberts e-detector of several bets, averaged.

    After n steps the statistic is the sum, over all moments the change may have come at, of the
    product of e-values since. Stopped when it first reaches c, it takes at least c steps on
    average while the e-values are such (mean at most 1 given the past): the average run length is
    bounded without any tuning, and so is the rate of alarms when it is begun anew at each.
    Source: Shin, Ramdas & Rinaldo 2023, "E-detectors: a nonparametric framework for sequential
    change detection".

    Beside it runs Page's CUSUM of each bet, which says since when.
    """

    def __init__(self, bets: int) -> None:
        self._bets = bets
        self.clear()

    def clear(self) -> None:
        """Begins anew."""
        self._log_sums = np.full(self._bets, -np.inf)
        self._cusums = np.zeros(self._bets)
        self._since = np.zeros(self._bets, np.int64)

    @property
    def log_statistic(self) -> float:
        """Natural logarithm; -infinity before the first step."""
        largest = float(self._log_sums.max())
        if largest == -math.inf:
            return -math.inf
        return largest + math.log(float(np.exp(self._log_sums - largest).mean()))

    @property
    def since(self) -> int:
        """The moment, as `update` was given it, from which the evidence is largest."""
        return int(self._since[self._cusums.argmax()])

    @property
    def log_suspicion(self) -> float:
        """The largest CUSUM: the evidence since that moment, natural logarithm. It falls back to 0
        while nothing changes; it exceeds c at a given step with a chance of about exp(-c)."""
        return float(self._cusums.max())

    def update(
        self, log_e_values: NDArray[np.float64], moments: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Takes n steps; log_e_values: [n, bets]; moments: int64 [n], say the records' numbers.

        Returns the logarithm of the statistic after each of them, float64 [n].
        """
        if len(log_e_values) == 0:
            return np.empty(0)
        if len(log_e_values) == 1:
            return np.array([self._step(log_e_values[0], int(moments[0]))])
        total = np.cumsum(log_e_values, axis=0)
        before = np.vstack([np.zeros(self._bets), total[:-1]])
        # R_i = E_i (R_0 + sum over j <= i of 1 / E_(j - 1)), with E the running product.
        started = np.logaddexp.accumulate(-before, axis=0)
        log_sums = total + np.logaddexp(self._log_sums, started)
        self._log_sums = log_sums[-1]
        self._date(total, before, moments)
        largest = log_sums.max(axis=1, keepdims=True)
        return np.asarray(largest[:, 0] + np.log(np.exp(log_sums - largest).mean(axis=1)))

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "log_sums": to_state(self._log_sums),
            "cusums": to_state(self._cusums),
            "since": to_state(self._since),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken. Raises ValueError for one of other bets."""
        log_sums = from_state(state["log_sums"])
        if log_sums.shape != (self._bets,):
            raise ValueError(f"the state is of {log_sums.size} bets, expected {self._bets}")
        self._log_sums = log_sums
        self._cusums = from_state(state["cusums"])
        self._since = from_state(state["since"])

    def _step(self, log_e_values: NDArray[np.float64], moment: int) -> float:
        """As `update`, of one step: most signals give one score a block."""
        self._log_sums = log_e_values + np.logaddexp(self._log_sums, 0.0)
        self._since = np.where(self._cusums <= 0, moment, self._since)
        self._cusums = np.maximum(self._cusums + log_e_values, 0.0)
        return self.log_statistic

    def _date(
        self,
        total: NDArray[np.float64],
        before: NDArray[np.float64],
        moments: NDArray[np.int64],
    ) -> None:
        """CUSUMs, and the step after the last one at which each of them was at nothing."""
        lowest = before.copy()
        lowest[0] = -self._cusums
        is_new = before <= np.minimum.accumulate(lowest, axis=0)
        is_new[0] = self._cusums <= 0
        last = len(total) - 1 - is_new[::-1].argmax(axis=0)
        self._since = np.where(is_new.any(axis=0), moments[last], self._since)
        self._cusums = np.maximum(total[-1] - lowest.min(axis=0), 0)
