"""Band energies."""

import numpy as np
import pytest

from adaptd.drift.spectrum import band_energies, band_frequencies, has_spectrum


@pytest.mark.parametrize("shape", [(2, 64), (1, 20, 24)])
def test_white_noise_has_its_variance_in_every_band(shape: tuple[int, ...]) -> None:
    x = 2.0 * np.random.default_rng(0).standard_normal((1_500, *shape))
    energies = band_energies(x).mean(axis=0)
    assert energies.shape == (shape[0], len(band_frequencies(shape)))
    # Far more than 5 standard errors; the lowest band loses some of it with the mean.
    assert energies[:, 1:] == pytest.approx(np.full_like(energies[:, 1:], 4.0), rel=0.1)
    assert (energies[:, 0] > 2.5).all()


def test_a_tone_lies_in_its_band_and_the_mean_in_none() -> None:
    tone = np.sin(2 * np.pi * 0.2 * np.arange(64))
    energies = band_energies((tone + 100.0)[None, None])[0, 0]
    frequencies = band_frequencies((1, 64))
    assert abs(frequencies[energies.argmax()] - 0.2) < frequencies[0] + 1e-9
    assert band_energies(np.full((1, 1, 64), 7.0)).max() < 1e-20


def test_directions_of_an_image_count_alike() -> None:
    wave = np.sin(2 * np.pi * 0.25 * np.arange(20))
    across, down = np.tile(wave, (20, 1)), np.tile(wave[:, None], (1, 20))
    # One of them lies on the axis that a real transform halves.
    one, other = band_energies(np.stack([across, down])[:, None])[:, 0]
    assert one.argmax() == other.argmax()


def test_only_what_is_long_enough_has_a_spectrum() -> None:
    assert has_spectrum((3, 64))
    assert has_spectrum((1, 20, 20))
    assert not has_spectrum((12,))
    assert not has_spectrum((3, 4))
