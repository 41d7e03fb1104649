"""When a generated stream is of its new concept."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# Records, at one a second half an hour, ten minutes, and a quarter of an hour.
GRADUAL_RECORDS = 2_000
OUTAGE_RECORDS = 600
SIGMOID_RECORDS = 1_000


class Timeline(Protocol):
    """Which records are of the new concept, and where that changes."""

    def is_after(
        self, numbers: NDArray[np.int64], chances: NDArray[np.float64], *, drift_at: int
    ) -> NDArray[np.bool_]:
        """bool [n]. numbers: of the records. chances: uniform in [0, 1), one of each record."""
        ...

    def drifts(self, *, drift_at: int, records: int) -> list[int]:
        """Numbers of the first records after each change among the first `records`."""
        ...


class Step:
    """From one record on, for good."""

    def is_after(
        self,
        numbers: NDArray[np.int64],
        chances: NDArray[np.float64],  # noqa: ARG002  (nothing is left to chance)
        *,
        drift_at: int,
    ) -> NDArray[np.bool_]:
        """From `drift_at` on."""
        return numbers >= drift_at

    def drifts(self, *, drift_at: int, records: int) -> list[int]:
        return [drift_at] if drift_at < records else []


class Gradual:
    """More and more of it, evenly over `records` from the drift on."""

    def __init__(self, records: int = GRADUAL_RECORDS) -> None:
        self._records = records

    def is_after(
        self, numbers: NDArray[np.int64], chances: NDArray[np.float64], *, drift_at: int
    ) -> NDArray[np.bool_]:
        """With a chance that rises from 0 to 1."""
        return chances < (numbers - drift_at) / self._records

    def drifts(self, *, drift_at: int, records: int) -> list[int]:
        """Where it begins."""
        return [drift_at] if drift_at < records else []


class Sigmoid:
    """Along a sigmoid: slowly, then fast, then slowly, over about `records` from the drift on.

    Source: Bifet, Holmes, Pfahringer, Kirkby & Gavaldà 2009, "New ensemble methods for evolving
    data streams"; as river's ConceptDriftStream, but that nothing of it comes before the drift.
    """

    def __init__(self, records: int = SIGMOID_RECORDS) -> None:
        self._records = records

    def is_after(
        self, numbers: NDArray[np.int64], chances: NDArray[np.float64], *, drift_at: int
    ) -> NDArray[np.bool_]:
        """With a chance that is a half in the middle, and within 2 in 100 of 0 and 1 at the ends
        of a transition of that length."""
        middle = drift_at + self._records / 2
        # Beyond this a chance of 0 or 1 is as near as float64 has it.
        steepness = np.clip(8 * (numbers - middle) / self._records, -500, 500)
        return np.asarray((numbers >= drift_at) & (chances < 1 / (1 + np.exp(-steepness))))

    def drifts(self, *, drift_at: int, records: int) -> list[int]:
        """Where it begins."""
        return [drift_at] if drift_at < records else []


class Recurring:
    """And back, again and again, `drift_at` records each."""

    def is_after(
        self,
        numbers: NDArray[np.int64],
        chances: NDArray[np.float64],  # noqa: ARG002
        *,
        drift_at: int,
    ) -> NDArray[np.bool_]:
        """Every other stretch."""
        return np.asarray((numbers // max(1, drift_at)) % 2 == 1)

    def drifts(self, *, drift_at: int, records: int) -> list[int]:
        return list(range(max(1, drift_at), records, max(1, drift_at)))


class Passing:
    """For `records`, then back for good."""

    def __init__(self, records: int = OUTAGE_RECORDS) -> None:
        self._records = records

    def is_after(
        self,
        numbers: NDArray[np.int64],
        chances: NDArray[np.float64],  # noqa: ARG002
        *,
        drift_at: int,
    ) -> NDArray[np.bool_]:
        """From `drift_at` to `drift_at + records`."""
        return (numbers >= drift_at) & (numbers < drift_at + self._records)

    def drifts(self, *, drift_at: int, records: int) -> list[int]:
        return [number for number in (drift_at, drift_at + self._records) if number < records]
