"""`Scenario`: a generated stream whose drift is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adaptd.stream import camera_swap, lag_shift, outage, prior_shift, sampling_rate
from adaptd.stream.river_streams import AGRAWAL, RIVER_STREAMS, SEA, RiverStream
from adaptd.stream.schema import Schema, features_of
from adaptd.stream.timeline import Gradual, Passing, Recurring, Sigmoid, Step, Timeline

# Records that share one random generator: enough to draw them as columns, few enough that a slice
# of one record stays cheap. Changing it changes every generated stream.
CHUNK_RECORDS = 256


class Draw(Protocol):
    """Records of one concept, the same for the same state of `randomness`."""

    def __call__(
        self, randomness: np.random.Generator, records: int, *, is_after: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...


@dataclass(frozen=True)
class Scenario:
    """summary: what happens, in a line. shape: of one record. operation: what a model deployed
    before the drift has on its edges. features: names of the channels; none: x0, x1, …"""

    name: str
    summary: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    operation: str
    draw: Draw
    timeline: Timeline = field(default_factory=Step)
    features: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """What its records look like."""
        return Schema(self.shape, self.classes, self.features or features_of(self.shape[0]))


def _of_river(
    stream: RiverStream, *, name: str, summary: str, timeline: Timeline | None = None
) -> Scenario:
    return Scenario(
        name=name,
        summary=summary,
        shape=(len(stream.features),),
        classes=stream.classes,
        operation="linear",
        draw=stream.draw,
        timeline=timeline or Step(),
        features=stream.features,
    )


_ECHOES = tuple(f"echo-{place}" for place in range(len(lag_shift.LAGS_BEFORE)))
_WAVES = tuple(f"wave-{place}" for place in range(len(sampling_rate.WAVEFORMS)))

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for scenario in (
            Scenario(
                name="lag-shift",
                summary="the echo whose delay is the class comes three to seven times later",
                shape=(1, lag_shift.LENGTH),
                classes=_ECHOES,
                operation="dw k5 d1",
                draw=lag_shift.draw,
            ),
            Scenario(
                name="sampling-rate",
                summary="ten waveforms, sampled four times faster by a noisier sensor",
                shape=(1, sampling_rate.LENGTH),
                classes=_WAVES,
                operation="dw k3 d1",
                draw=sampling_rate.draw,
            ),
            Scenario(
                name="camera-swap",
                summary="five figures in images, seen by another camera: less light, more noise",
                shape=(1, camera_swap.SIDE, camera_swap.SIDE),
                classes=camera_swap.FIGURES,
                operation="dw k3 d1",
                draw=camera_swap.draw,
            ),
            Scenario(
                name="class-prior-shift",
                summary="ten waveforms, two of which become fourteen times as frequent as others",
                shape=(1, prior_shift.LENGTH),
                classes=_WAVES,
                operation="dw k3 d1",
                draw=prior_shift.draw,
            ),
            Scenario(
                name="outage",
                summary="the sensor is stuck for 600 records, then works as before",
                shape=(1, outage.LENGTH),
                classes=_WAVES,
                operation="dw k3 d1",
                draw=outage.draw,
                timeline=Passing(),
            ),
            Scenario(
                name="recurring",
                summary="as sampling-rate, and back, again and again",
                shape=(1, sampling_rate.LENGTH),
                classes=_WAVES,
                operation="dw k3 d1",
                draw=sampling_rate.draw,
                timeline=Recurring(),
            ),
            Scenario(
                name="gradual",
                summary="as lag-shift, mixed in more and more over 2,000 records",
                shape=(1, lag_shift.LENGTH),
                classes=_ECHOES,
                operation="dw k5 d1",
                draw=lag_shift.draw,
                timeline=Gradual(),
            ),
            *(
                _of_river(stream, name=stream.name, summary=stream.summary)
                for stream in RIVER_STREAMS
            ),
            _of_river(
                SEA,
                name="sea-recurring",
                summary="as sea, and back, again and again",
                timeline=Recurring(),
            ),
            _of_river(
                AGRAWAL,
                name="agrawal-gradual",
                summary="as agrawal, mixed in along a sigmoid over 1,000 records",
                timeline=Sigmoid(),
            ),
        )
    }
)


def generate(
    scenario: Scenario, *, seed: int, first: int, count: int, drift_at: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Records `first` to `first + count - 1`; the scenario's timeline says from `drift_at` which of
    them are of the new concept.

    Returns x float32 [count, *shape] and the classes' places int64 [count]. Pure: a record depends
    on seed, number, and concept alone, however the stream is cut.
    Raises ValueError for a negative seed, number or count.
    """
    if min(seed, first, count) < 0:
        raise ValueError(f"seed, first and count start at 0, got {seed}, {first}, {count}")
    x = np.empty((count, *scenario.shape), np.float32)
    target = np.empty(count, np.int64)
    end = first + count
    for chunk in range(first // CHUNK_RECORDS, -(-end // CHUNK_RECORDS)):
        start = chunk * CHUNK_RECORDS
        numbers = np.arange(max(first, start), min(end, start + CHUNK_RECORDS))
        chances = _chances(seed, chunk)[numbers - start]
        is_after = scenario.timeline.is_after(numbers, chances, drift_at=drift_at)
        for concept in (False, True):
            chosen = numbers[is_after == concept]
            if len(chosen):
                drawn = _chunk(scenario, seed, chunk, is_after=concept)
                x[chosen - first] = drawn[0][chosen - start]
                target[chosen - first] = drawn[1][chosen - start]
    return x, target


@lru_cache(maxsize=8)
def _chances(seed: int, chunk: int) -> NDArray[np.float64]:
    sequence = np.random.SeedSequence(seed, spawn_key=(2, chunk))
    return np.random.default_rng(sequence).random(CHUNK_RECORDS)


# A stream that is read a few records at a time asks for the same chunk again and again.
@lru_cache(maxsize=8)
def _chunk(
    scenario: Scenario, seed: int, chunk: int, *, is_after: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    sequence = np.random.SeedSequence(seed, spawn_key=(int(is_after), chunk))
    return scenario.draw(np.random.default_rng(sequence), CHUNK_RECORDS, is_after=is_after)
