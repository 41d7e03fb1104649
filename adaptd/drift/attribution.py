"""Which of many figures have moved, with few false ones among them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

_LEAST = 1e-12


@dataclass(frozen=True)
class Movement:
    """A figure that has moved. place: which one. effect: by how far, in standard deviations over
    blocks of the reference. p_value: of Welch's test."""

    place: int
    effect: float
    p_value: float


def benjamini_hochberg(p_values: NDArray[np.float64], *, rate: float) -> NDArray[np.bool_]:
    """Which hypotheses are rejected, bool [n]: of those, at most `rate` are true on average.

    Source: Benjamini & Hochberg 1995, "Controlling the false discovery rate".
    """
    order = np.argsort(p_values)
    allowed = rate * np.arange(1, len(p_values) + 1) / len(p_values)
    below = np.flatnonzero(p_values[order] <= allowed)
    rejected = np.zeros(len(p_values), bool)
    if len(below):
        rejected[order[: below[-1] + 1]] = True
    return rejected


def movements(
    reference: NDArray[np.float64], recent: NDArray[np.float64], *, rate: float = 0.01
) -> list[Movement]:
    """The figures whose mean over blocks has changed, the strongest first.

    reference, recent: float64 [blocks, figures], at least two reference blocks and a recent one.
    The spread is the reference's: a few recent blocks do not tell their own.
    """
    spread = reference.std(axis=0, ddof=1) + _LEAST
    effect = (recent.mean(axis=0) - reference.mean(axis=0)) / spread
    error = np.sqrt(1 / len(reference) + 1 / len(recent))
    p_values = 2 * student.sf(np.abs(effect) / error, df=len(reference) - 1)
    found = [
        Movement(int(place), float(effect[place]), float(p_values[place]))
        for place in np.flatnonzero(benjamini_hochberg(p_values, rate=rate))
    ]
    return sorted(found, key=lambda movement: -abs(movement.effect))
