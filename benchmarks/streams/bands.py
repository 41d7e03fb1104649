"""Sequences of one tone each: the class is the band that its frequency lies in."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.streams.shift import balanced

LENGTH = 64
CLASSES = 6

# Cycles per sample: the middle of the bands, and how far the outermost lie from it, as a fraction.
# A kernel of three sees a whole cycle of none of the bands after the shift: they take 19 to 38
# samples for one.
MIDDLE_BEFORE, SPREAD_BEFORE = 0.25, 0.5
MIDDLE_AFTER, SPREAD_AFTER = 0.04, 0.35

_WITHIN = 0.03  # of a band's frequency, either way
_NOISE = 0.5  # standard deviation, where tones are about 1 high


def draw(
    randomness: np.random.Generator, records: int, *, is_after: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Records of one concept: x float32 [records, 1, 64], class int64 [records] of six."""
    middle, spread = (MIDDLE_AFTER, SPREAD_AFTER) if is_after else (MIDDLE_BEFORE, SPREAD_BEFORE)
    target = balanced(randomness, records, CLASSES)
    frequency = (middle * (1 + spread * np.linspace(-1, 1, CLASSES)))[target]
    frequency = frequency * randomness.uniform(1 - _WITHIN, 1 + _WITHIN, records)
    phase = randomness.random((records, 1))
    height = randomness.uniform(0.7, 1.3, (records, 1))
    cycles = frequency[:, None] * np.arange(LENGTH)[None, :] + phase
    x = height * np.sin(2 * np.pi * cycles)
    x += _NOISE * randomness.standard_normal((records, LENGTH))
    return x.astype(np.float32)[:, None, :], target
