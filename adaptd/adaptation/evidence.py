"""`EProcess`: evidence that one score is higher than another, valid whenever one looks."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEMA_VERSION = 1

# Shares of the capital that are bet on the challenger, side by side. The best share is the edge
# over the rate of discordance, which nobody knows before: eight of them, each 1.5 times the one
# before, lie near enough to any, and dividing the capital by eight costs ln 8 at most.
BETS = (0.05, 0.075, 0.11, 0.165, 0.25, 0.37, 0.55, 0.8)


class EProcess:
    """Bets, record after record, that the challenger's score is higher than the rival's.

    The null hypothesis: given the past, the mean difference is never above 0. Under it the capital
    is a supermartingale from 1, so the chance that it *ever* reaches 1 / alpha is at most alpha
    (Ville): looking after every record costs nothing, and what has passed stays passed.

    The capital is the mean of len(BETS) gamblers, each of whom bets a fixed share of his own.
    alpha: bound on the chance of passing where the null is true, in (0, 1).
    Source: Waudby-Smith & Ramdas 2023, "Estimating means of bounded random variables by betting".
    """

    def __init__(self, alpha: float) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must be in (0, 1), got {alpha}")
        self.alpha = alpha
        self.records = 0
        self._log_capitals = np.zeros(len(BETS))
        self._maximum_log_value = 0.0
        self._passed_at: int | None = None

    @property
    def log_value(self) -> float:
        """The natural log of the e-value now."""
        return float(log_mean(self._log_capitals))

    @property
    def maximum_log_value(self) -> float:
        """The natural log of the largest e-value so far, at least 0: the one that counts."""
        return self._maximum_log_value

    @property
    def passed_at(self) -> int | None:
        """How many records it took to reach 1 / alpha; None if it never has."""
        return self._passed_at

    @property
    def is_passed(self) -> bool:
        """True once the e-value has reached 1 / alpha; it stays true."""
        return self._passed_at is not None

    def update(self, challenger: NDArray[Any], rival: NDArray[Any]) -> None:
        """Counts the next records.

        challenger, rival: [n] scores of the same records in stream order, in [0, 1] (or bool).
        Raises ValueError if the lengths differ or a score lies outside.
        """
        log_capitals = self._paths(challenger, rival)
        if not log_capitals.shape[1]:
            return
        log_values = log_mean(log_capitals)
        self._passed_at = self._first_passing(log_values)
        self._maximum_log_value = max(self._maximum_log_value, float(log_values.max()))
        self._log_capitals = log_capitals[:, -1].copy()
        self.records += log_capitals.shape[1]

    def passes_at(self, challenger: NDArray[Any], rival: NDArray[Any]) -> int | None:
        """What `passed_at` would be after an `update` with these records; counts nothing."""
        return self._first_passing(log_mean(self._paths(challenger, rival)))

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "schema_version": SCHEMA_VERSION,
            "alpha": self.alpha,
            "bets": list(BETS),
            "records": self.records,
            "log_capitals": self._log_capitals.tolist(),
            "maximum_log_value": self._maximum_log_value,
            "passed_at": self._passed_at,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> "EProcess":
        """The process at the point where `state` was taken.

        Raises ValueError for a state of another version, or with other bets.
        """
        if state.get("schema_version") != SCHEMA_VERSION or state["bets"] != list(BETS):
            raise ValueError(
                f"expected evidence of schema_version {SCHEMA_VERSION} with bets {list(BETS)}, "
                f"got {state.get('schema_version')!r} with {state.get('bets')!r}"
            )
        process = cls(float(state["alpha"]))
        process.records = int(state["records"])
        process._log_capitals = np.array(state["log_capitals"], np.float64)
        process._maximum_log_value = float(state["maximum_log_value"])
        process._passed_at = state["passed_at"]
        return process

    def _paths(self, challenger: NDArray[Any], rival: NDArray[Any]) -> NDArray[np.float64]:
        """Each gambler's log capital after each of the records, float64 [bets, n]."""
        if challenger.ndim != 1 or challenger.shape != rival.shape:
            raise ValueError(
                f"expected paired scores [n], got {list(challenger.shape)} and {list(rival.shape)}"
            )
        for scores in (challenger, rival):
            # Said this way round, NaN is outside too.
            if not ((scores >= 0) & (scores <= 1)).all():
                raise ValueError("scores must be in [0, 1]")
        differences = challenger.astype(np.float64) - rival.astype(np.float64)
        steps = np.empty((len(BETS), len(differences) + 1))
        # The running sum goes on from the capital: sums cut in two differ in their last bits.
        steps[:, 0] = self._log_capitals
        np.log1p(np.multiply.outer(np.array(BETS), differences), out=steps[:, 1:])
        paths: NDArray[np.float64] = np.cumsum(steps, axis=1)[:, 1:]
        return paths

    def _first_passing(self, log_values: NDArray[np.float64]) -> int | None:
        if self._passed_at is not None:
            return self._passed_at
        passing = np.flatnonzero(log_values >= -math.log(self.alpha))
        return self.records + int(passing[0]) + 1 if len(passing) else None


def log_mean(log_capitals: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log of the mean capital over the first axis."""
    mean: NDArray[np.float64] = np.logaddexp.reduce(log_capitals, axis=0) - math.log(
        len(log_capitals)
    )
    return mean
