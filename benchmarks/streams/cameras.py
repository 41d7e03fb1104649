"""Images of digits, seen through cameras that differ."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.streams.digits import DIGITS, SIDE, read
from benchmarks.streams.shift import (
    AFTER_RECORDS,
    BEFORE_RECORDS,
    TEST_RECORDS,
    Draw,
    Records,
    Samples,
)

CLASSES = 10

# All that is left once the other parts have theirs: no digit is seen twice.
CHECK_RECORDS = DIGITS - BEFORE_RECORDS - AFTER_RECORDS - TEST_RECORDS

_BOX = 20 / SIDE  # of the frame that a digit of scale 1 fills, by how MNIST was made
_SCALE_WITHIN = 0.1  # either way
_ROOM = 0.7  # of the way from the middle to where the digit would touch the frame
_GRAIN_WIDTH = 1.5  # pixels


@dataclass(frozen=True)
class Camera:
    """How a digit becomes a record; ink is 1 and paper 0 before the noise.

    scale: of the digit, 1 as in MNIST. blur: pixels, the standard deviation of a Gaussian.
    exposure: what makes up for what a blur takes from the contrast. coarseness: pixels in a row or
    column that the sensor reads as one. grain: standard deviation of a texture behind the digit.
    noise: of the sensor, likewise. is_rotated: by 90 degrees, against the clock.
    """

    scale: float = 0.95
    blur: float = 0.0
    exposure: float = 1.0
    coarseness: int = 1
    grain: float = 0.0
    noise: float = 0.15
    is_rotated: bool = False


def cameras(before: Camera, after: Camera) -> Draw:
    """Digits at random places and of slightly varying scale: x float32 [records, 1, 28, 28]."""

    def draw(sequence: np.random.SeedSequence, data: Path) -> Records:
        images, labels = read(data)
        of_order, *of_parts = sequence.spawn(5)
        order = np.random.default_rng(of_order).permutation(DIGITS)
        ends = np.cumsum([BEFORE_RECORDS, CHECK_RECORDS, AFTER_RECORDS])
        parts = (
            Samples(_seen(images[chosen], camera, np.random.default_rng(own)), labels[chosen])
            for chosen, camera, own in zip(
                np.split(order, ends), (before, before, after, after), of_parts, strict=True
            )
        )
        return Records(*parts)

    return draw


def _seen(
    digits: NDArray[np.float64], camera: Camera, randomness: np.random.Generator
) -> NDArray[np.float32]:
    x = _placed(digits, camera.scale, randomness)
    if camera.is_rotated:
        x = np.rot90(x, axes=(1, 2))
    if camera.grain:
        x = x + camera.grain * _texture(len(x), randomness)
    if camera.blur:
        x = camera.exposure * _both_ways(_blurring(camera.blur), x)
    if camera.coarseness > 1:
        x = _both_ways(_coarsening(camera.coarseness), x)
    x = x + camera.noise * randomness.standard_normal(x.shape)
    return x.astype(np.float32)[:, None]


def _placed(
    digits: NDArray[np.float64], scale: float, randomness: np.random.Generator
) -> NDArray[np.float64]:
    """Scaled about its middle and moved anywhere in the frame, by linear interpolation."""
    within = randomness.uniform(1 - _SCALE_WITHIN, 1 + _SCALE_WITHIN, len(digits))
    scales = scale * within
    room = _ROOM * np.maximum(0, 1 - scales * _BOX) * SIDE / 2
    down, right = room * randomness.uniform(-1, 1, (2, len(digits)))
    rows = _resampling(scales, down)
    columns = _resampling(scales, right)
    placed: NDArray[np.float64] = rows @ digits @ columns.transpose(0, 2, 1)
    return placed


def _resampling(scales: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much each pixel along an axis makes up each new one: float64 [n, new, old].

    A pixel whose place lies outside the old frame gets nothing, which is paper.
    """
    middle = (SIDE - 1) / 2
    places = (np.arange(SIDE) - middle - moved[:, None]) / scales[:, None] + middle
    weights: NDArray[np.float64] = np.maximum(0, 1 - np.abs(places[..., None] - np.arange(SIDE)))
    return weights


def _blurring(width: float) -> NDArray[np.float64]:
    """A Gaussian along one axis, with paper outside the frame: float64 [new, old]."""
    distances = np.arange(SIDE)[:, None] - np.arange(SIDE)[None, :]
    reach = np.arange(-4 * SIDE, 4 * SIDE + 1)
    total = np.exp(-0.5 * (reach / width) ** 2).sum()
    weights: NDArray[np.float64] = np.exp(-0.5 * (distances / width) ** 2) / total
    return weights


def _coarsening(pixels: int) -> NDArray[np.float64]:
    """Means of so many pixels along one axis, and back by linear interpolation: [new, old]."""
    block = np.arange(SIDE) // pixels
    blocks = block[-1] + 1
    means = (block == np.arange(blocks)[:, None]).astype(np.float64)
    means /= means.sum(axis=1, keepdims=True)
    middles = means @ np.arange(SIDE)
    back = np.stack([np.interp(np.arange(SIDE), middles, row) for row in np.eye(blocks)], axis=1)
    coarsening: NDArray[np.float64] = back @ means
    return coarsening


def _texture(images: int, randomness: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise of unit variance, float64 [images, 28, 28]."""
    smooth = _both_ways(_blurring(_GRAIN_WIDTH), randomness.standard_normal((images, SIDE, SIDE)))
    return smooth / float(smooth.std())


def _both_ways(along_an_axis: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    image: NDArray[np.float64] = along_an_axis @ x @ along_an_axis.T
    return image
