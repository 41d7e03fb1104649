from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.streams import STREAMS, load
from benchmarks.streams.cameras import Camera, cameras
from benchmarks.streams.digits import read

Array = NDArray[np.float64]


def _sides(name: str, data: Path) -> tuple[Array, Array]:
    records = load(STREAMS[name], seed=0, data=data)
    return (
        records.before.x[:1_000, 0].astype(np.float64),
        records.after_test.x[:1_000, 0].astype(np.float64),
    )


def _corner_noise(x: Array) -> float:
    """Where no digit reaches: standard deviation of what neighbours do not share."""
    return float(np.diff(x[:, 0, :4], axis=1).std() / np.sqrt(2))


def _clean(camera: Camera, data: Path) -> Array:
    """1,500 digits without noise: the same digits, sizes and places for every camera."""
    records = cameras(Camera(), camera)(np.random.SeedSequence(0), data)
    return records.after.x[:, 0].astype(np.float64)


def test_no_digit_is_seen_twice(shared_directory: Path) -> None:
    labels = read(shared_directory)[1]
    records = load(STREAMS["night-mode"], seed=0, data=shared_directory)
    seen = [
        part.target
        for part in (records.before, records.before_check, records.after, records.after_test)
    ]
    assert [len(part) for part in seen] == [4_000, 500, 1_500, 4_000]
    # All ten thousand are used, so none can have been used again.
    np.testing.assert_array_equal(np.bincount(np.concatenate(seen)), np.bincount(labels))


def test_night_is_noisier(shared_directory: Path) -> None:
    day, night = _sides("night-mode", shared_directory)
    assert _corner_noise(day) == pytest.approx(0.15, rel=0.1)
    assert _corner_noise(night) == pytest.approx(0.9, rel=0.1)
    assert night.mean() == pytest.approx(day.mean(), abs=0.02)


def test_a_digits_extent_follows_its_scale(shared_directory: Path) -> None:
    def extent(scale: float) -> float:
        darkest = _clean(Camera(scale=scale, noise=0), shared_directory).max(axis=2)
        is_ink = darkest > 0.2
        return float((28 - is_ink[:, ::-1].argmax(axis=1) - is_ink.argmax(axis=1)).mean())

    # Twenty pixels at scale 1; nearly all digits are as high as their box.
    for scale in (0.5, 0.95, 1.35):
        assert extent(scale) == pytest.approx(20 * scale, abs=1.5)
    small, large = _sides("object-size", shared_directory)
    assert large.mean() / small.mean() > 4
    large, small = _sides("object-size-back", shared_directory)
    assert large.mean() / small.mean() > 4


def test_digits_lie_at_random_places_within_the_frame(shared_directory: Path) -> None:
    x = _clean(Camera(scale=0.5, noise=0), shared_directory)
    rows = (x.sum(axis=2) * np.arange(28)).sum(axis=1) / x.sum(axis=(1, 2))
    # Up to 6.3 pixels either way, alike: a standard deviation of 3.6.
    assert rows.std() == pytest.approx(3.6, abs=0.5)
    assert (x[:, [0, -1]] == 0).all()


def test_a_coarse_sensor_keeps_nothing_finer_than_its_pixels(shared_directory: Path) -> None:
    fine, coarse = (
        _clean(Camera(coarseness=pixels, noise=0), shared_directory) for pixels in (1, 3)
    )
    assert coarse.mean() == pytest.approx(fine.mean(), rel=0.05)

    def detail(x: Array) -> float:
        """Energy above a sixth of a cycle per pixel, which pixels of three cannot hold."""
        spectrum = abs(np.fft.rfft(x, axis=2)) ** 2
        return float(spectrum[:, :, 6:].sum() / spectrum.sum())

    assert detail(coarse) < 0.3 * detail(fine)


def test_defocus_blurs_by_its_width(shared_directory: Path) -> None:
    sharp, blurred = (
        _clean(Camera(scale=0.5, blur=width, noise=0), shared_directory) for width in (0.0, 2.5)
    )

    def variance(x: Array) -> Array:
        """Of where the ink is, down the rows; pixels squared."""
        weights = x.sum(axis=2) / x.sum(axis=(1, 2))[:, None]
        middle = (weights * np.arange(28)).sum(axis=1)
        spread: Array = (weights * (np.arange(28) - middle[:, None]) ** 2).sum(axis=1)
        return spread

    # Variances add up; digits near the frame lose some over its edge.
    assert np.median(variance(blurred) - variance(sharp)) == pytest.approx(2.5**2, rel=0.1)
    before, after = _sides("defocus", shared_directory)
    assert abs(np.diff(after, axis=2)).mean() < abs(np.diff(before, axis=2)).mean()


def test_rotation_is_by_a_quarter_turn_against_the_clock(shared_directory: Path) -> None:
    upright, rotated = (
        _clean(Camera(noise=0, is_rotated=is_rotated), shared_directory)
        for is_rotated in (False, True)
    )
    # A pixel on the right goes to the top, at the same distance from the middle.
    np.testing.assert_array_equal(rotated[:, 0, :], upright[:, :, -1])
    np.testing.assert_array_equal(rotated[:, 5, 9], upright[:, 9, 22])
