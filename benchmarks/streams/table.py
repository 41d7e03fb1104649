"""The streams there are."""

from collections.abc import Mapping
from types import MappingProxyType

from adaptd.stream import lag_shift
from benchmarks.streams import bands, interactions
from benchmarks.streams.cameras import CLASSES as DIGIT_CLASSES
from benchmarks.streams.cameras import Camera, cameras
from benchmarks.streams.digits import SIDE
from benchmarks.streams.interactions import FEATURES, GAINS
from benchmarks.streams.shift import Concept, Draw, Shift, generated
from benchmarks.streams.swaps import swap
from benchmarks.streams.waveforms import CLASSES as WAVE_CLASSES
from benchmarks.streams.waveforms import LENGTH, Sensor, waveforms

# A reading of the control streams: neither easy nor hopeless.
_ORDINARY = Sensor(stretch=1.5, noise=0.45)
# Digits on a textured ground, where their size is what changes.
_FAR = Camera(scale=0.5, grain=0.15, noise=0.1)
_NEAR = Camera(scale=1.35, grain=0.15, noise=0.1)

_RELABELLED = (3, 7, 1, 9, 5, 0, 8, 2, 4, 6)


def _sequence(name: str, concept: Concept, champion: str, *, classes: int = WAVE_CLASSES) -> Shift:
    return Shift(
        name=name,
        kind="sequence",
        shape=(1, LENGTH),
        classes=classes,
        champion=champion,
        synthetic=True,
        control=name.startswith("control-"),
        draw=generated(concept),
    )


def _image(name: str, before: Camera, after: Camera, *, control: bool = False) -> Shift:
    return Shift(
        name=name,
        kind="image",
        shape=(1, SIDE, SIDE),
        classes=DIGIT_CLASSES,
        champion=None,
        synthetic=True,
        control=control,
        draw=cameras(before, after),
    )


def _tabular(name: str, concept: Concept) -> Shift:
    return Shift(
        name=name,
        kind="tabular",
        shape=(FEATURES,),
        classes=interactions.CLASSES,
        champion=None,
        synthetic=True,
        control=name.startswith("control-"),
        draw=generated(concept),
    )


def _swap(name: str, *, shape: tuple[int, ...], classes: int) -> Shift:
    draw: Draw = swap(name.removeprefix("control-"), shape=shape, classes=classes)
    return Shift(
        name=name,
        kind="sequence",
        shape=shape,
        classes=classes,
        champion="dw k5 d1",
        synthetic=False,
        control=name.startswith("control-"),
        draw=draw,
    )


STREAMS: Mapping[str, Shift] = MappingProxyType(
    {
        shift.name: shift
        for shift in (
            # A sensor that samples four times faster, and is noisier for it.
            _sequence(
                "rate",
                waveforms(Sensor(stretch=1, noise=0.25), Sensor(stretch=4, noise=0.6)),
                "dw k3 d1",
            ),
            _sequence("frequency", bands.draw, "dw k3 d1", classes=bands.CLASSES),
            # The scenario that the demo shows.
            _sequence("lag", lag_shift.draw, "dw k5 d1", classes=len(lag_shift.LAGS_AFTER)),
            _sequence(
                "noise",
                waveforms(Sensor(stretch=2, noise=0.05), Sensor(stretch=2, noise=0.7)),
                "dw k3 d1",
            ),
            # The next two call for less than the deployed model has.
            _sequence(
                "narrow",
                waveforms(
                    Sensor(stretch=2, noise=0.7), Sensor(stretch=2, noise=0.05, impulses=0.1)
                ),
                "dw k9 d1",
            ),
            _sequence(
                "shrink",
                waveforms(Sensor(stretch=4, noise=0.05), Sensor(stretch=1, noise=0.05)),
                "dw k9 d1",
            ),
            # All new, yet of the same kind and size: weights alone can follow.
            _sequence(
                "control-labels",
                waveforms(
                    _ORDINARY,
                    Sensor(
                        stretch=_ORDINARY.stretch,
                        noise=_ORDINARY.noise,
                        is_reversed=True,
                        relabelling=_RELABELLED,
                    ),
                ),
                "dw k5 d1",
            ),
            _sequence(
                "control-gain",
                waveforms(
                    _ORDINARY,
                    Sensor(stretch=_ORDINARY.stretch, noise=_ORDINARY.noise, gain=1.6, offset=0.5),
                ),
                "dw k5 d1",
            ),
            _sequence(
                "control-mild",
                waveforms(_ORDINARY, Sensor(stretch=_ORDINARY.stretch, noise=0.55)),
                "dw k5 d1",
            ),
            _image("night-mode", Camera(), Camera(noise=0.9)),
            _image("resolution", Camera(), Camera(coarseness=3)),
            _image("object-size", _FAR, _NEAR),
            _image("object-size-back", _NEAR, _FAR),
            _image("defocus", Camera(), Camera(blur=2.5, exposure=2.5)),
            # Rotated kernels undo it, and they are of the same size.
            _image("rotation", Camera(), Camera(is_rotated=True), control=True),
            _tabular("interaction-order", interactions.interactions(order_before=2, order_after=3)),
            _tabular(
                "control-tabular",
                interactions.interactions(order_before=2, order_after=2, gains_after=GAINS),
            ),
            _swap("swap-cwru-up", shape=(1, 128), classes=10),
            _swap("swap-sis-up", shape=(3, 128), classes=6),
            _swap("swap-fsdd-digit", shape=(8, 64), classes=10),
            _swap("control-swap-cwru-load", shape=(1, 128), classes=9),
        )
    }
)
