"""Scenario `camera-swap`: figures before a camera, which is later replaced by one for the night."""

import numpy as np
from numpy.typing import NDArray

SIDE = 20  # pixels

FIGURES = ("bar", "cross", "ring", "square", "wedge")

# Half of a figure's size, in pixels, and how thick its strokes are.
_RADII = (4.5, 6.5)
_STROKE = 0.9

# Standard deviation of a pixel's noise, where ink is 1; and the share of light that is left.
_NOISE_BEFORE, _LIGHT_BEFORE = 0.15, 1.0
_NOISE_AFTER, _LIGHT_AFTER = 0.55, 0.8


def draw(
    randomness: np.random.Generator, records: int, *, is_after: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Records of one camera: x float32 [records, 1, 20, 20], class int64 [records] of five.

    A figure at any place that holds it, turned by any angle, of varying size.
    """
    target = randomness.integers(0, len(FIGURES), records)
    radius = randomness.uniform(*_RADII, (records, 1, 1))
    middle = radius + randomness.random((records, 2, 1, 1)).swapaxes(0, 1) * (
        SIDE - 1 - 2 * radius[None]
    )
    angle = randomness.uniform(0, 2 * np.pi, (records, 1, 1))
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    down, right = rows - middle[0], columns - middle[1]
    along = np.cos(angle) * right + np.sin(angle) * down
    across = np.cos(angle) * down - np.sin(angle) * right
    # How far each pixel is from the strokes of each figure.
    distances = np.stack(
        [
            _to_bar(along, across, radius),
            np.minimum(_to_bar(along, across, radius), _to_bar(across, along, radius)),
            np.abs(np.hypot(along, across) - 0.8 * radius),
            np.abs(np.maximum(np.abs(along), np.abs(across)) - 0.65 * radius),
            np.minimum(_to_half_bar(along, across, radius), _to_half_bar(across, along, radius)),
        ]
    )
    distance = np.take_along_axis(distances, target[None, :, None, None], axis=0)[0]
    ink = np.clip(1 + _STROKE - distance, 0, 1)
    light, noise = (_LIGHT_AFTER, _NOISE_AFTER) if is_after else (_LIGHT_BEFORE, _NOISE_BEFORE)
    x = light * ink + noise * randomness.standard_normal((records, SIDE, SIDE))
    return x[:, None].astype(np.float32), target.astype(np.int64)


def _to_bar(
    along: NDArray[np.float64], across: NDArray[np.float64], radius: NDArray[np.float64]
) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.hypot(np.maximum(np.abs(along) - radius, 0), across)
    return distance


def _to_half_bar(
    along: NDArray[np.float64], across: NDArray[np.float64], radius: NDArray[np.float64]
) -> NDArray[np.float64]:
    """From the middle in one direction only."""
    distance: NDArray[np.float64] = np.hypot(
        np.maximum(along - radius, 0) + np.maximum(-along, 0), across
    )
    return distance
