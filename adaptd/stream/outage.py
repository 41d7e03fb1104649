"""Scenario `outage`: a sensor that sticks for a while."""

import numpy as np
from numpy.typing import NDArray

from adaptd.stream import sampling_rate

LENGTH = sampling_rate.LENGTH

# What the sensor gives while it is stuck: at a rail, without noise.
STUCK = 3.0


def draw(
    randomness: np.random.Generator, records: int, *, is_after: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Records as `sampling_rate.draw` has them before its drift; the world goes on while the sensor
    is stuck, so the classes do."""
    x, target = sampling_rate.draw(randomness, records, is_after=False)
    if is_after:
        x = np.full_like(x, STUCK)
    return x, target
