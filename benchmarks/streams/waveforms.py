"""Sequences of one waveform each, seen through sensors that differ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.sampling_rate import WAVEFORMS
from benchmarks.streams.shift import Concept, balanced

LENGTH = 64
CLASSES = len(WAVEFORMS)

_IMPULSE_HEIGHT = 5.0  # where waveforms have unit variance


@dataclass(frozen=True)
class Sensor:
    """How a waveform becomes a record.

    stretch: samples that each of its 12 points takes. noise: standard deviation, where waveforms
    have 1. impulses: fraction of samples that read +5 or -5 instead. gain, offset: what the reading
    is multiplied by, noise included, and what is added then. is_reversed: time runs backwards.
    relabelling: what each class is called.
    """

    stretch: float
    noise: float
    impulses: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    is_reversed: bool = False
    relabelling: tuple[int, ...] = tuple(range(CLASSES))


def waveforms(before: Sensor, after: Sensor) -> Concept:
    """Ten waveforms, each stretched by up to a tenth either way, at any place in the window, of
    varying height and tilt: x float32 [records, 1, 64].
    """

    def concept(
        randomness: np.random.Generator, records: int, *, is_after: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        sensor = after if is_after else before
        wave = balanced(randomness, records, CLASSES)
        x = _signal(randomness, wave, sensor)
        x += sensor.noise * randomness.standard_normal(x.shape)
        is_impulse = randomness.random(x.shape) < sensor.impulses
        is_upward = randomness.random(x.shape) < 0.5
        x = np.where(is_impulse, np.where(is_upward, _IMPULSE_HEIGHT, -_IMPULSE_HEIGHT), x)
        x = sensor.gain * x + sensor.offset
        target = np.array(sensor.relabelling, np.int64)[wave]
        return x.astype(np.float32)[:, None, :], target

    return concept


def _signal(
    randomness: np.random.Generator, wave: NDArray[np.int64], sensor: Sensor
) -> NDArray[np.float64]:
    """Without noise, zero outside the waveform: float64 [records, 64]."""
    records, points = len(wave), WAVEFORMS.shape[1]
    shapes = WAVEFORMS[:, ::-1] if sensor.is_reversed else WAVEFORMS
    extents = np.rint(points * sensor.stretch * randomness.uniform(0.9, 1.1, records))
    extents = np.minimum(extents, LENGTH)
    starts = np.floor(randomness.random(records) * (LENGTH - extents + 1))
    heights = randomness.uniform(0.8, 1.2, records)
    tilts = randomness.uniform(-0.5, 0.5, records)
    x = np.zeros((records, LENGTH))
    samples = np.arange(LENGTH)
    for record in range(records):
        # 0 at the waveform's first sample and 1 at its last.
        phase = (samples - starts[record]) / (extents[record] - 1)
        is_inside = (phase >= 0) & (phase <= 1)
        phase = phase[is_inside]
        height = np.interp(phase * (points - 1), np.arange(points), shapes[wave[record]])
        x[record, is_inside] = heights[record] * height + tilts[record] * (phase - 0.5)
    return x
