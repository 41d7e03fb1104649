"""`ScenarioSource`: a scenario as a source."""

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from adaptd.errors import SourceError
from adaptd.stream.batch import Batch, id_column
from adaptd.stream.scenario import Scenario, generate
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll, only_position

# Event time of record 0; the records follow by the second. A made-up time, so that the same stream
# has the same times whenever it is run.
START = datetime(2026, 1, 1, tzinfo=UTC)


class ScenarioSource:
    """One partition, 0, whose offsets are the record numbers. Never waits.

    drift_at: number of the first record of the new concept.
    records: where the stream ends; None: never.
    """

    def __init__(
        self, scenario: Scenario, *, seed: int, drift_at: int, records: int | None = None
    ) -> None:
        self._scenario = scenario
        self._seed = seed
        self._drift_at = drift_at
        self._records = records
        self._next = 0

    @property
    def schema(self) -> Schema:
        return self._scenario.schema

    def seek(self, positions: Mapping[int, int]) -> None:
        """Raises SourceError for another partition than 0, or a position beyond the end."""
        self._next = only_position(positions, name=f"scenario {self._scenario.name}")
        if self._records is not None and self._next > self._records:
            raise SourceError(
                f"scenario {self._scenario.name}: the stored position {self._next} lies beyond "
                f"its {self._records} records. Give it at least as many as it had."
            )

    def poll(self, *, maximum: int, timeout_seconds: float) -> Poll:  # noqa: ARG002  (never waits)
        count = maximum if self._records is None else min(maximum, self._records - self._next)
        x, target = generate(
            self._scenario,
            seed=self._seed,
            first=self._next,
            count=count,
            drift_at=self._drift_at,
        )
        numbers = np.arange(self._next, self._next + count)
        batch = Batch(
            x=x,
            target=target,
            ids=id_column(numbers),
            timestamps=np.asarray(START.timestamp() + numbers, np.float64),
            positions=np.stack([np.zeros_like(numbers), numbers], axis=1),
        )
        self._next += count
        return Poll(batch, (), {0: self._next}, is_exhausted=self._next == self._records)

    def lag(self) -> Mapping[int, int]:
        return {} if self._records is None else {0: self._records - self._next}

    def close(self) -> None:
        """Nothing to let go of."""
