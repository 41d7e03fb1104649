"""`EProcess`: evidence that one score is higher than another, valid whenever one looks."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.adaptation.resemblance import Resemblance

SCHEMA_VERSION = 2

# Shares of the capital that are bet on the challenger, side by side. The best share is the edge
# over the rate of discordance, which nobody knows before: eight, each 1.5 times the one before,
# lie near enough to any.
BETS = tuple(0.05 * 16 ** (place / 7) for place in range(8))

# What each of them starts with. A share of w costs log(1 / w) of evidence, which is few records
# where a large bet pays and many where a small one does, so most goes to the small ones: an edge of
# 3 points at 30 % discordance is found within 4,000 records by 90 % instead of 82 %, where records
# do not resemble each other.
_TILTED = tuple(bet**-1.5 for bet in BETS)
SHARES = tuple(share / sum(_TILTED) for share in _TILTED)


class EProcess:
    """Bets, record after record, that the challenger's score is higher than the rival's.

    The null hypothesis: given the past, the mean difference is never above 0. Under it the capital
    is a supermartingale from 1, so the chance that it *ever* reaches 1 / alpha is at most alpha
    (Ville): looking after every record costs nothing, and what has passed stays passed.

    The capital is the sum of len(BETS) gamblers', each of whom begins with a share of it and bets a
    fixed share of his own. The *e-value* is the capital, but where consecutive records resemble
    each other so that c of them count as one (`Resemblance`), its log is divided by c >= 1: such
    records make a lead of chance look like one of skill, and a capital whose bets had won c times
    over is c times too large in its log. An e-value never exceeds the capital where that is above
    1, so the bound holds exactly for what it held for; beyond that it holds as well as c is known.

    alpha: bound on the chance of passing where the null is true, in (0, 1).
    minimum_records: nothing passes before, since how records resemble each other is unknown at
    first; at least 1.
    Sources: Waudby-Smith & Ramdas 2023, "Estimating means of bounded random variables by betting";
    Robbins 1970, "Statistical methods related to the law of the iterated logarithm" (mixtures).
    """

    def __init__(self, alpha: float, *, minimum_records: int = 1) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must be in (0, 1), got {alpha}")
        if minimum_records < 1:
            raise ValueError(f"minimum_records must be at least 1, got {minimum_records}")
        self.alpha = alpha
        self.minimum_records = minimum_records
        self._log_capitals = np.log(SHARES)
        self._resemblance = Resemblance()
        self._log_value = 0.0
        self._records_as_one = 1.0
        self._maximum_log_value = 0.0
        self._passed_at: int | None = None

    @property
    def records(self) -> int:
        """How many were counted."""
        return self._resemblance.records

    @property
    def log_value(self) -> float:
        """The natural log of the e-value now."""
        return self._log_value

    @property
    def records_as_one(self) -> float:
        """So many consecutive records tell no more than one would, as far as is known; >= 1."""
        return self._records_as_one

    @property
    def maximum_log_value(self) -> float:
        """The natural log of the largest e-value from `minimum_records` on, at least 0: the one
        that counts."""
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
        differences = _differences(challenger, rival)
        if not len(differences):
            return
        log_capitals = self._paths(differences)
        as_one, following = self._resemblance.after(differences)
        log_values = _deflated(log_capitals, as_one)
        self._passed_at = self._first_passing(log_values)
        counted = log_values[self._uncounted() :]
        self._maximum_log_value = max(
            self._maximum_log_value, float(counted.max()) if len(counted) else 0.0
        )
        self._log_capitals = log_capitals[:, -1].copy()
        self._log_value = float(log_values[-1])
        self._records_as_one = float(as_one[-1])
        self._resemblance = following

    def passes_at(self, challenger: NDArray[Any], rival: NDArray[Any]) -> int | None:
        """What `passed_at` would be after an `update` with these records; counts nothing."""
        differences = _differences(challenger, rival)
        if not len(differences):
            return self._passed_at
        as_one, _ = self._resemblance.after(differences)
        return self._first_passing(_deflated(self._paths(differences), as_one))

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "schema_version": SCHEMA_VERSION,
            "alpha": self.alpha,
            "minimum_records": self.minimum_records,
            "bets": list(BETS),
            "log_capitals": self._log_capitals.tolist(),
            "resemblance": self._resemblance.state(),
            "log_value": self._log_value,
            "records_as_one": self._records_as_one,
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
        process = cls(float(state["alpha"]), minimum_records=int(state["minimum_records"]))
        process._log_capitals = np.array(state["log_capitals"], np.float64)
        process._resemblance = Resemblance.restore(state["resemblance"])
        process._log_value = float(state["log_value"])
        process._records_as_one = float(state["records_as_one"])
        process._maximum_log_value = float(state["maximum_log_value"])
        process._passed_at = state["passed_at"]
        return process

    def _paths(self, differences: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each gambler's log capital after each of the records, float64 [bets, n]."""
        steps = np.empty((len(BETS), len(differences) + 1))
        # The running sum goes on from the capital: sums cut in two differ in their last bits.
        steps[:, 0] = self._log_capitals
        np.log1p(np.multiply.outer(np.array(BETS), differences), out=steps[:, 1:])
        paths: NDArray[np.float64] = np.cumsum(steps, axis=1)[:, 1:]
        return paths

    def _uncounted(self) -> int:
        """How many of the next records come before the first at which it may pass."""
        return max(0, self.minimum_records - self.records - 1)

    def _first_passing(self, log_values: NDArray[np.float64]) -> int | None:
        if self._passed_at is not None:
            return self._passed_at
        uncounted = self._uncounted()
        passing = np.flatnonzero(log_values[uncounted:] >= -math.log(self.alpha))
        return self.records + uncounted + int(passing[0]) + 1 if len(passing) else None


def _differences(challenger: NDArray[Any], rival: NDArray[Any]) -> NDArray[np.float64]:
    """float64 [n], in [-1, 1]. Raises ValueError for scores that are not pairs, or out of range."""
    if challenger.ndim != 1 or challenger.shape != rival.shape:
        raise ValueError(
            f"expected paired scores [n], got {list(challenger.shape)} and {list(rival.shape)}"
        )
    for scores in (challenger, rival):
        # Said this way round, NaN is outside too.
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError("scores must be in [0, 1]")
    return challenger.astype(np.float64) - rival.astype(np.float64)


def _deflated(
    log_capitals: NDArray[np.float64], as_one: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The log of the e-value after each record: of the gamblers' sum, less for resemblance."""
    log_capital: NDArray[np.float64] = np.logaddexp.reduce(log_capitals, axis=0)
    return np.where(log_capital > 0, log_capital / as_one, log_capital)
