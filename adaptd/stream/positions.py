"""Positions in a source: (partition, offset), int64 [n, 2]."""

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]


def none() -> Positions:
    """No position."""
    return np.empty((0, 2), np.int64)


def are_among(positions: Positions, others: Positions) -> NDArray[np.bool_]:
    """Which of the positions are some of the others, in any order; bool [n]."""
    found = np.zeros(len(positions), np.bool_)
    for partition in np.unique(others[:, 0]).tolist():
        of_it = positions[:, 0] == partition
        found[of_it] = np.isin(positions[of_it, 1], others[others[:, 0] == partition, 1])
    return found
