"""Streams of one input drift each, by kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from adaptd.stream import camera_swap, outage, prior_shift
from benchmarks.streams.waveforms import Sensor, waveforms

Randomness = np.random.Generator
Records = tuple[NDArray[np.float32], NDArray[np.int64]]
Side = Callable[..., Records]


@dataclass(frozen=True)
class Drift:
    """kind: what a diagnosis should say. side: records of one concept, from a generator."""

    kind: str
    side: Side

    def draw(self, randomness: Randomness, *, before: int, after: int) -> Records:
        """So many records of each: x float32 [n, *shape], class int64 [n]."""
        parts = [
            self.side(randomness, records, is_after=is_after)
            for records, is_after in ((before, False), (after, True))
            if records
        ]
        xs, targets = zip(*parts, strict=True)
        return np.concatenate(xs), np.concatenate(targets)


_WAVES = {"stretch": 2.0, "noise": 0.3}


def _waves(**changed: float) -> Side:
    return waveforms(Sensor(**_WAVES), Sensor(**{**_WAVES, **changed}))  # type: ignore[arg-type]


def _camera(change: Callable[[NDArray[np.float32], Randomness], NDArray[np.floating]]) -> Side:
    def side(randomness: Randomness, records: int, *, is_after: bool) -> Records:
        x, target = camera_swap.draw(randomness, records, is_after=False)
        return (change(x, randomness).astype(np.float32) if is_after else x), target

    return side


def _blurred(x: NDArray[np.float32], randomness: Randomness) -> NDArray[np.floating]:
    """The scene, out of focus; the sensor's noise is not, so most of what the blur took comes
    back."""
    blurred: NDArray[np.floating] = gaussian_filter(x, (0, 0, 1.2, 1.2))
    return blurred + 0.14 * randomness.standard_normal(x.shape)


DRIFTS: Mapping[str, Drift] = MappingProxyType(
    {
        "waves-gain": Drift("gain", _waves(gain=1.3)),
        "waves-gain-down": Drift("gain", _waves(gain=0.75)),
        "waves-offset": Drift("offset", _waves(offset=0.3)),
        "waves-noise": Drift("noise", _waves(noise=0.45)),
        "waves-rate": Drift("rate", _waves(stretch=4.0)),
        "waves-rate-down": Drift("rate", _waves(stretch=1.3)),
        "camera-gain": Drift("gain", _camera(lambda x, _: 0.75 * x)),
        "camera-offset": Drift("offset", _camera(lambda x, _: x + 0.15)),
        "camera-noise": Drift(
            "noise", _camera(lambda x, randomness: x + 0.15 * randomness.standard_normal(x.shape))
        ),
        "camera-focus": Drift("focus", _camera(_blurred)),
        "stuck": Drift("outage", outage.draw),
        "class-shares": Drift("prior", prior_shift.draw),
    }
)
