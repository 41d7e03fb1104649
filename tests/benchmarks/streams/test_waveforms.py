from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from adaptd.stream.sampling_rate import WAVEFORMS
from benchmarks.streams import STREAMS, load
from benchmarks.streams.waveforms import CLASSES, Sensor, waveforms

NOWHERE = Path("nowhere")

Array = NDArray[np.float64]


def _sides(name: str) -> tuple[Array, Array]:
    """Of 1,000 and 4,000 records, without the axis of channels."""
    records = load(STREAMS[name], seed=0, data=NOWHERE)
    return (
        records.before_check.x[:, 0].astype(np.float64),
        records.after_test.x[:, 0].astype(np.float64),
    )


def _drawn(sensor: Sensor, records: int = 2_000) -> tuple[Array, NDArray[np.int64]]:
    x, target = waveforms(Sensor(1, 0), sensor)(np.random.default_rng(0), records, is_after=True)
    return x[:, 0].astype(np.float64), target


def _extent(x: Array) -> NDArray[np.int64]:
    """Samples from the first to the last that is not zero."""
    is_inside = x != 0
    extent: NDArray[np.int64] = (
        x.shape[1] - is_inside[:, ::-1].argmax(axis=1) - is_inside.argmax(axis=1)
    )
    return extent


def _noise(x: Array) -> float:
    """Of the sensor: what a sample has that its neighbours have not, by the median, which neither
    impulses nor the steep parts of a waveform move much.
    """
    second = x[:, :-2] - 2 * x[:, 1:-1] + x[:, 2:]
    return float(np.median(abs(second)) / (0.6745 * np.sqrt(6)))


@pytest.mark.parametrize("stretch", [1, 2, 4])
def test_a_waveform_takes_its_stretch_in_samples_give_or_take_a_tenth(stretch: int) -> None:
    extent = _extent(_drawn(Sensor(stretch, 0))[0])
    assert abs(extent.mean() - 12 * stretch) < 0.5
    assert extent.min() >= np.floor(0.9 * 12 * stretch)
    assert extent.max() <= np.ceil(1.1 * 12 * stretch)


def test_waveforms_lie_anywhere_in_the_window() -> None:
    x, _ = _drawn(Sensor(1, 0))
    starts = (x != 0).argmax(axis=1)
    assert starts.min() == 0
    assert (starts + _extent(x)).max() == 64
    # Uniform from 0 to about 52: mean 26, a standard error of 0.34 over 2,000.
    assert abs(starts.mean() - 26) < 1.5


@pytest.mark.parametrize("is_reversed", [False, True])
def test_every_class_is_its_waveform_in_the_sensors_direction(is_reversed: bool) -> None:
    x, target = _drawn(Sensor(4, 0, is_reversed=is_reversed))
    points = np.linspace(0, 1, WAVEFORMS.shape[1])
    resampled = np.array(
        [
            np.interp(points, np.linspace(0, 1, extent), row[start : start + extent])
            for row, start, extent in zip(x, (x != 0).argmax(axis=1), _extent(x), strict=True)
        ]
    )
    for place in range(CLASSES):
        expected = WAVEFORMS[place][::-1] if is_reversed else WAVEFORMS[place]
        mean = resampled[target == place].mean(axis=0)
        assert np.corrcoef(mean, expected)[0, 1] > 0.99


def test_rate_stretches_four_times_and_is_noisier() -> None:
    before, after = _sides("rate")
    assert abs(_noise(before) - 0.25) < 0.04
    assert abs(_noise(after) - 0.6) < 0.04
    # Energy above the noise fills a quarter as much of the window before as after.
    energy = [(x**2).mean() - noise**2 for x, noise in ((before, 0.25), (after, 0.6))]
    assert energy[1] / energy[0] == pytest.approx(4, rel=0.2)


def test_noise_is_all_that_noise_changes() -> None:
    before, after = _sides("noise")
    assert abs(_noise(after) - 0.7) < 0.03
    assert _noise(before) < 0.1
    assert after.var() - before.var() == pytest.approx(0.7**2 - 0.05**2, rel=0.1)


def test_narrow_trades_noise_for_impulses() -> None:
    before, after = _sides("narrow")
    is_impulse = abs(after) == 5
    assert is_impulse.mean() == pytest.approx(0.1, abs=0.005)
    assert (after[is_impulse] > 0).mean() == pytest.approx(0.5, abs=0.02)
    assert not (abs(before) == 5).any()
    assert _noise(before) == pytest.approx(0.7, abs=0.04)
    assert np.median(abs(np.diff(after))) < 0.2


def test_shrink_is_a_quarter_as_long() -> None:
    before, after = _sides("shrink")
    energy = [(x**2).mean() - 0.05**2 for x in (before, after)]
    assert energy[0] / energy[1] == pytest.approx(4, rel=0.2)


def test_control_gain_changes_gain_and_offset_alone() -> None:
    before, after = _sides("control-gain")
    assert after.mean() - before.mean() == pytest.approx(0.5, abs=0.02)
    assert after.std() / before.std() == pytest.approx(1.6, rel=0.03)


def test_control_mild_adds_a_little_noise() -> None:
    before, after = _sides("control-mild")
    assert after.var() - before.var() == pytest.approx(0.55**2 - 0.45**2, abs=0.02)


def test_control_labels_renames_and_reverses_and_leaves_the_rest() -> None:
    before, after = _sides("control-labels")
    assert after.std() == pytest.approx(before.std(), rel=0.02)
    x, target = _drawn(
        Sensor(1.5, 0.45, is_reversed=True, relabelling=(3, 7, 1, 9, 5, 0, 8, 2, 4, 6))
    )
    plain_x, wave = _drawn(Sensor(1.5, 0.45, is_reversed=True))
    np.testing.assert_array_equal(x, plain_x)
    np.testing.assert_array_equal(target, np.array([3, 7, 1, 9, 5, 0, 8, 2, 4, 6])[wave])
    assert (target != wave).all()
