"""Scenario `class-prior-shift`: the same waveforms, some of them far more often."""

import numpy as np
from numpy.typing import NDArray

from adaptd.stream import sampling_rate

LENGTH = sampling_rate.LENGTH

# Shares of the classes after the shift; before it they are equal.
PRIORS_AFTER = np.array([0.28, 0.28, 0.14, 0.1, 0.06, 0.04, 0.04, 0.02, 0.02, 0.02])


def draw(
    randomness: np.random.Generator, records: int, *, is_after: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Records as `sampling_rate.draw` has them before its drift."""
    priors = PRIORS_AFTER if is_after else None
    return sampling_rate.draw(randomness, records, is_after=False, priors=priors)
