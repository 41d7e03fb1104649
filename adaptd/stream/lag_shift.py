"""Scenario `lag-shift`: pulses with an echo; the class is how late the echo comes."""

import numpy as np
from numpy.typing import NDArray

LENGTH = 64

# Samples between pulse and echo, by class. Before the drift a kernel of five sees every echo; after
# it, as when a sensor is mounted elsewhere, none does: weights alone cannot follow.
LAGS_BEFORE = np.array([2, 3, 4, 5])
LAGS_AFTER = np.array([13, 16, 19, 22])

_DENSITY = 0.05  # pulses a sample
_ECHO = 0.8  # of the pulse's height
_NOISE = 0.25  # standard deviation, where pulses are about 1 high
_SCALE = 1.5  # brings the signal near unit variance


def draw(
    randomness: np.random.Generator, records: int, *, is_after: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Records of one concept: x float32 [records, 1, 64], class int64 [records] of four."""
    target = randomness.integers(0, len(LAGS_BEFORE), records)
    # Twice the length, so that echoes of pulses before the window reach into it as others do.
    extent = (records, 2 * LENGTH)
    pulses = (
        (randomness.random(extent) < _DENSITY)
        * np.where(randomness.random(extent) < 0.5, -1.0, 1.0)
        * randomness.uniform(0.8, 1.4, extent)
    )
    lags = (LAGS_AFTER if is_after else LAGS_BEFORE)[target]
    sources = np.arange(LENGTH, 2 * LENGTH)[None, :] - lags[:, None]
    echoes = np.take_along_axis(pulses, sources, axis=1)
    signal = pulses[:, LENGTH:] + _ECHO * echoes
    noise = _NOISE * randomness.standard_normal((records, LENGTH))
    x = (_SCALE * (signal + noise)).astype(np.float32)
    return x[:, None, :], target.astype(np.int64)
