"""Scenario `sampling-rate`: ten waveforms, later sampled four times faster."""

import numpy as np
from numpy.typing import NDArray

LENGTH = 64

# Twelve points each, zero mean and unit variance: sums of the first five cosines with random
# weights, ten of some thousand chosen so that no two look alike, also when shifted or tilted.
WAVEFORMS = np.array(
    [
        (-1.62, 0.2, 1.8, 1.7, 0.56, -0.08, 0.04, -0.08, -0.83, -1.29, -0.68, 0.26),
        (-1.41, -0.78, -0.27, -0.42, -0.89, -0.84, 0.09, 1.3, 1.88, 1.43, 0.37, -0.47),
        (0.77, 1.38, 1.26, -0.19, -1.77, -1.91, -0.72, 0.3, 0.28, -0.1, 0.09, 0.61),
        (-0.01, 0.6, 0.57, -0.45, -1.14, -0.42, 0.68, 0.4, -1.09, -1.57, 0.15, 2.3),
        (-1.55, -0.58, 0.4, 0.7, 0.6, 0.76, 1.2, 1.26, 0.55, -0.51, -1.28, -1.57),
        (-1.39, -1.3, -0.51, 0.84, 1.46, 0.62, -0.58, -0.48, 0.81, 1.44, 0.33, -1.23),
        (1.47, 0.46, -0.52, -0.73, -0.59, -0.81, -1.31, -1.24, -0.31, 0.81, 1.37, 1.4),
        (0.47, -0.63, -1.47, -1.2, -0.52, -0.4, -0.52, 0.12, 1.41, 1.98, 1.04, -0.28),
        (2.15, 0.89, -0.5, -0.88, -0.17, 0.64, 0.53, -0.49, -1.44, -1.34, -0.23, 0.83),
        (-1.51, -1.03, -0.5, -0.1, 0.39, 0.97, 1.03, 0.16, -0.96, -0.96, 0.49, 2.03),
    ]
)

# How many samples a point of a waveform takes, and the sensor's noise (a faster one is noisier).
_STRETCH_BEFORE, _NOISE_BEFORE = 1.0, 0.25
_STRETCH_AFTER, _NOISE_AFTER = 4.0, 0.6

_HUM = 0.1  # standard deviation of the slow noise that both sensors have
_HUM_WIDTH = 2.0  # samples


def draw(
    randomness: np.random.Generator,
    records: int,
    *,
    is_after: bool,
    priors: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Records of one concept: x float32 [records, 1, 64], class int64 [records] of ten.

    A waveform, stretched by up to a tenth either way, at any place in the window, of varying height
    and tilt. priors: share of each class, equal without it.
    """
    stretch, noise = (
        (_STRETCH_AFTER, _NOISE_AFTER) if is_after else (_STRETCH_BEFORE, _NOISE_BEFORE)
    )
    classes, points = WAVEFORMS.shape
    target = (
        randomness.integers(0, classes, records)
        if priors is None
        else randomness.choice(classes, records, p=priors)
    )
    extents = np.rint(points * stretch * randomness.uniform(0.9, 1.1, records)).astype(np.int64)
    extents = np.minimum(extents, LENGTH)[:, None]
    starts = randomness.integers(0, LENGTH - extents + 1)
    heights = 1 + randomness.uniform(-0.2, 0.2, (records, 1))
    tilts = 0.5 * randomness.uniform(-1, 1, (records, 1))

    # Where each sample lies within its waveform, 0 at the first point and 1 at the last.
    phase = (np.arange(LENGTH)[None, :] - starts) / (extents - 1)
    is_inside = (phase >= 0) & (phase <= 1)
    place = np.clip(phase, 0, 1) * (points - 1)
    left = np.minimum(place.astype(np.int64), points - 2)
    waveforms = WAVEFORMS[target]
    lower = np.take_along_axis(waveforms, left, axis=1)
    upper = np.take_along_axis(waveforms, left + 1, axis=1)
    signal = (lower + (upper - lower) * (place - left)) * heights + tilts * (phase - 0.5)
    x = np.where(is_inside, signal, 0.0)

    x += _HUM * _hum(randomness, records)
    x += noise * randomness.standard_normal((records, LENGTH))
    return x.astype(np.float32)[:, None, :], target.astype(np.int64)


def _hum(randomness: np.random.Generator, records: int) -> NDArray[np.float64]:
    """Noise of unit variance that changes slowly, float64 [records, 64]."""
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / _HUM_WIDTH) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    white = randomness.standard_normal((records, LENGTH + len(kernel) - 1))
    return np.lib.stride_tricks.sliding_window_view(white, len(kernel), axis=1) @ kernel
