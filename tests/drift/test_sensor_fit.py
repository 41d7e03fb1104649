"""Changed sensors told apart by spectra."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.drift.sensor_fit import SensorView, fits

FREQUENCIES = (np.arange(16) + 0.5) / 32
# Peaked, over a floor of noise.
ENERGIES = 4 * np.exp(-(((FREQUENCIES - 0.12) / 0.05) ** 2))[None] + 0.1
MEANS = np.array([1.5])


def _best(energies: np.ndarray, means: np.ndarray = MEANS) -> tuple[str, float]:
    fit = fits(
        SensorView(ENERGIES, MEANS),
        SensorView(energies, means),
        energy_error=np.full_like(ENERGIES, 0.05),
        mean_error=np.array([0.02]),
        frequencies=FREQUENCIES,
    )[0]
    return fit.kind, fit.parameter


def test_nothing_changed_is_none() -> None:
    assert _best(ENERGIES)[0] == "none"


@given(gain=st.floats(1.25, 4) | st.floats(0.2, 0.8))
def test_a_gain_is_found_with_its_size(gain: float) -> None:
    kind, found = _best(gain**2 * ENERGIES, gain * MEANS)
    assert kind == "gain"
    assert found == pytest.approx(gain, rel=0.02)


@given(offset=st.floats(0.3, 5))
def test_an_offset_moves_no_band(offset: float) -> None:
    kind, found = _best(ENERGIES, MEANS + offset)
    assert kind == "offset"
    assert found == pytest.approx(offset)


@given(noise=st.floats(0.3, 2))
def test_noise_adds_the_same_to_every_band(noise: float) -> None:
    kind, found = _best(ENERGIES + noise**2)
    assert kind == "noise"
    assert found == pytest.approx(noise, rel=0.1)


@pytest.mark.parametrize("stretch", [0.5, 0.7, 1.5, 2.0])
def test_another_sampling_rate_moves_the_peak(stretch: float) -> None:
    moved = 4 * np.exp(-(((FREQUENCIES * stretch - 0.12) / 0.05) ** 2))[None] + 0.1
    kind, found = _best(moved)
    assert kind == "rate"
    assert found == pytest.approx(stretch, rel=0.15)


@pytest.mark.parametrize("blur", [0.8, 1.2, 2.0])
def test_a_blur_dims_high_bands_and_leaves_the_noise(blur: float) -> None:
    left = np.exp(-((2 * np.pi * FREQUENCIES * blur) ** 2))
    kind, found = _best((ENERGIES - 0.1) * left + 0.1)
    assert kind == "focus"
    assert found == pytest.approx(blur, rel=0.25)


def test_a_table_has_neither_rate_nor_focus() -> None:
    found = fits(
        SensorView(np.array([[1.0]]), MEANS),
        SensorView(np.array([[4.0]]), 2 * MEANS),
        energy_error=np.array([[0.1]]),
        mean_error=np.array([0.02]),
        frequencies=None,
    )
    assert found[0].kind == "gain"
    assert {fit.kind for fit in found} == {"none", "offset", "gain", "noise"}
