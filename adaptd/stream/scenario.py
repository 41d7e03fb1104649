"""`Scenario`: a generated stream whose drift is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adaptd.stream import lag_shift, sampling_rate
from adaptd.stream.schema import Schema, features_of

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
    """shape: of one record. operation: what a model deployed before the drift has on its edges."""

    name: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    operation: str
    draw: Draw

    @property
    def schema(self) -> Schema:
        """What its records look like."""
        return Schema(self.shape, self.classes, features_of(self.shape[0]))


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for scenario in (
            Scenario(
                name="lag-shift",
                shape=(1, lag_shift.LENGTH),
                classes=tuple(f"echo-{place}" for place in range(len(lag_shift.LAGS_BEFORE))),
                operation="dw k5 d1",
                draw=lag_shift.draw,
            ),
            Scenario(
                name="sampling-rate",
                shape=(1, sampling_rate.LENGTH),
                classes=tuple(f"wave-{place}" for place in range(len(sampling_rate.WAVEFORMS))),
                operation="dw k3 d1",
                draw=sampling_rate.draw,
            ),
        )
    }
)


def generate(
    scenario: Scenario, *, seed: int, first: int, count: int, drift_at: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Records `first` to `first + count - 1`; from `drift_at` on they are of the new concept.

    Returns x float32 [count, *shape] and the classes' places int64 [count]. Pure: a record depends
    on seed, number, and side of the drift alone, however the stream is cut.
    Raises ValueError for a negative seed, number or count.
    """
    if min(seed, first, count) < 0:
        raise ValueError(f"seed, first and count start at 0, got {seed}, {first}, {count}")
    x = np.empty((count, *scenario.shape), np.float32)
    target = np.empty(count, np.int64)
    end = first + count
    for chunk in range(first // CHUNK_RECORDS, -(-end // CHUNK_RECORDS)):
        start = chunk * CHUNK_RECORDS
        for is_after in (False, True):
            lower = max(first, start, drift_at if is_after else 0)
            upper = min(end, start + CHUNK_RECORDS, end if is_after else drift_at)
            if lower >= upper:
                continue
            drawn = _chunk(scenario, seed, chunk, is_after=is_after)
            x[lower - first : upper - first] = drawn[0][lower - start : upper - start]
            target[lower - first : upper - first] = drawn[1][lower - start : upper - start]
    return x, target


# A stream that is read a few records at a time asks for the same chunk again and again.
@lru_cache(maxsize=8)
def _chunk(
    scenario: Scenario, seed: int, chunk: int, *, is_after: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    sequence = np.random.SeedSequence(seed, spawn_key=(int(is_after), chunk))
    return scenario.draw(np.random.default_rng(sequence), CHUNK_RECORDS, is_after=is_after)
