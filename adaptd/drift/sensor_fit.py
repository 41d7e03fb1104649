"""What a changed sensor would have done to the spectrum, fitted to what is seen."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Logarithms of power are not trusted beyond this: no real gain is that of a formula.
_TOLERANCE = 0.05
# Of a channel's mean, in standard deviations squared: one odd mean must not decide alone.
_MOST_FOR_A_MEAN = 100.0

_STRETCHES = np.geomspace(0.2, 5.0, 65)
# Stretches closer to 1 than this mimic whatever moves a spectrum a little.
_LEAST_STRETCH = 0.2
# Likewise of gains, where means are free to be what they are.
_LEAST_GAIN = 0.1
# Mean rise of log power by noise that is worth the name beside a gain.
_LEAST_NOISE = 0.15
_GAINS = np.geomspace(0.4, 2.5, 21)
_BLURS = np.concatenate([-np.geomspace(0.3, 0.02, 8), np.geomspace(0.02, 40.0, 48)])
_NOISES = np.concatenate([-np.geomspace(0.9, 0.01, 12), np.geomspace(0.01, 300.0, 64)])
# Shares of the weakest band that are noise of the sensor, which no lens and no clock changes.
_FLOORS = (0.0, 0.6, 0.9, 1.0)
_NEW_NOISES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class SensorView:
    """What a sensor gives, over some blocks.

    energies: float64 [channels, bands], mean power, above 0. means: float64 [channels].
    """

    energies: NDArray[np.float64]
    means: NDArray[np.float64]


@dataclass(frozen=True)
class SensorFit:
    """kind: gain, offset, noise, rate, focus, or none. parameter: the gain; the offset of the
    channel that moved most, in its unit; the noise's standard deviation that came (below 0: went);
    samples that take the place of one; the blur's standard deviation in samples (below 0: sharper).
    misfit: chi-square with a penalty for what was free, the lower the better.
    """

    kind: str
    parameter: float
    misfit: float


def fits(
    before: SensorView,
    after: SensorView,
    *,
    energy_error: NDArray[np.float64],
    mean_error: NDArray[np.float64],
    frequencies: NDArray[np.float64] | None,
) -> list[SensorFit]:
    """Every kind of change at its best, the likeliest first.

    energy_error: standard errors of the difference of log energies [channels, bands]; mean_error:
    of the difference of means [channels]. frequencies: of the bands, cycles a sample; None for what
    has none, where neither rate nor focus can be told.
    A change is taken to be that of all channels given.
    """
    error = np.sqrt(energy_error**2 + _TOLERANCE**2)
    data = before.energies.size + before.means.size
    best: dict[str, SensorFit] = {}
    for kind, parameter, free, energies, means in _hypotheses(before, after, frequencies):
        of_bands = ((np.log(after.energies / energies) / error) ** 2).sum()
        of_means = np.minimum(((after.means - means) / mean_error) ** 2, _MOST_FOR_A_MEAN).sum()
        misfit = float(of_bands + of_means + free * np.log(data))
        if kind not in best or misfit < best[kind].misfit:
            best[kind] = SensorFit(kind, parameter, misfit)
    return sorted(best.values(), key=lambda fit: fit.misfit)


Hypothesis = tuple[str, float, int, NDArray[np.float64], NDArray[np.float64]]


def _hypotheses(
    before: SensorView, after: SensorView, frequencies: NDArray[np.float64] | None
) -> Iterator[Hypothesis]:
    """kind, parameter, how many were free, and the energies and means that it would give."""
    energies, means = before.energies, before.means
    yield "none", 0.0, 0, energies, means
    moved = after.means - means
    yield "offset", float(moved[np.abs(moved).argmax()]), len(means), energies, after.means
    gain = float(np.exp(0.5 * np.median(np.log(after.energies / energies))))
    yield "gain", gain, 1, gain**2 * energies, gain * means
    if abs(np.log(gain)) >= _LEAST_GAIN:
        yield "gain", gain, 1 + len(means), gain**2 * energies, after.means
    weakest = energies.min(axis=1, keepdims=True)
    for noise in _NOISES:
        # In units of the weakest band; more cannot go than is there.
        added = noise * weakest
        deviation = float(np.sign(noise) * np.sqrt(np.abs(added).mean()))
        yield "noise", deviation, 1, energies + added, means
        # Less light and more noise may come together; where the noise is what moves the bands most,
        # it is the noise that a model has to learn.
        for gain in _GAINS if noise > 0 else ():
            by_noise = np.log1p(added / (gain**2 * energies)).mean()
            if by_noise < max(_LEAST_NOISE, abs(2 * np.log(gain))):
                continue
            yield "noise", deviation, 2 + len(means), gain**2 * energies + added, after.means
    if frequencies is None:
        return
    for floor in _FLOORS:
        signal = energies - floor * weakest
        least = 1e-3 * weakest
        for blur in _BLURS:
            left = np.exp(-blur * (2 * np.pi * frequencies) ** 2)
            deviation = float(np.sign(blur) * np.sqrt(abs(blur)))
            yield "focus", deviation, 2, signal * left + floor * weakest + least, means
        for stretch in _STRETCHES:
            if abs(np.log(stretch)) < _LEAST_STRETCH:
                continue
            yield from _stretched(
                before, after, frequencies, signal, stretch=stretch, floor=floor * weakest
            )


def _stretched(
    before: SensorView,
    after: SensorView,
    frequencies: NDArray[np.float64],
    signal: NDArray[np.float64],
    *,
    stretch: float,
    floor: NDArray[np.float64],
) -> Iterator[Hypothesis]:
    """The same signal over so many times as many samples, at any height, with more noise or not."""
    moved = np.array(
        [np.interp(frequencies * stretch, frequencies, row, right=row[-1] * 0.1) for row in signal]
    )
    weakest = before.energies.min(axis=1, keepdims=True)
    for more in _NEW_NOISES:
        noise = floor + more * weakest
        # The height that gives the total power that is seen.
        left = np.maximum((after.energies - noise).sum(axis=1, keepdims=True), 0.0)
        height = left / np.maximum(moved.sum(axis=1, keepdims=True), 1e-12)
        free = 3 + (more > 0)
        energies = height * moved + noise + 1e-3 * weakest
        yield "rate", float(stretch), free, energies, before.means
