"""`HeldRow`: one half of a labelled record in memory, on its way from the store and back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptd.observer.joined import Joined
from adaptd.store.join_rows import JoinRow, JoinState
from adaptd.stream.batch import Batch, id_column


@dataclass(slots=True)
class HeldRow:
    """As a `JoinRow`. x: float32 [*shape]; predictions: float32 [predictors, classes]. stored: its
    state as the store has it."""

    number: int
    state: JoinState
    time: float
    since: float
    target: int | None = None
    partition: int = 0
    offset: int = 0
    ingested_at: float = 0.0
    x: NDArray[np.float32] | None = None
    predictors: tuple[str, ...] = ()
    predictions: NDArray[np.float32] | None = None
    weight: float | None = None
    stored: JoinState | None = None

    @classmethod
    def loaded(cls, row: JoinRow, *, shape: tuple[int, ...], classes: int) -> "HeldRow":
        """A row of the store. shape: of a record. classes: how many a prediction is over."""
        return cls(
            number=row.number,
            state=row.state,
            time=row.time,
            since=row.since,
            target=row.target,
            partition=row.partition or 0,
            offset=row.offset or 0,
            ingested_at=row.ingested_at or 0.0,
            x=None if row.x is None else np.frombuffer(row.x, np.float32).reshape(shape),
            predictors=row.predictors,
            stored=row.state,
            predictions=None
            if row.predictions is None
            else np.frombuffer(row.predictions, np.float32).reshape(len(row.predictors), classes),
            weight=row.weight,
        )

    def as_row(self, identity: str) -> JoinRow:
        """As the store is to have it."""
        if self.state != "waiting":
            return JoinRow(identity, self.number, self.state, self.time, self.since, self.target)
        return JoinRow(
            id=identity,
            number=self.number,
            state=self.state,
            time=self.time,
            since=self.since,
            partition=self.partition,
            offset=self.offset,
            ingested_at=self.ingested_at,
            x=None if self.x is None else self.x.tobytes(),
            predictors=self.predictors,
            predictions=None if self.predictions is None else self.predictions.tobytes(),
            weight=self.weight,
        )


def joined_of(met: Sequence[tuple[str, HeldRow]]) -> list[Joined]:
    """Ids and records that have met their labels, in their order: each time that others predicted
    them a part of its own."""
    parts: list[Joined] = []
    start = 0
    for end in range(1, len(met) + 1):
        if end == len(met) or met[end][1].predictors != met[start][1].predictors:
            parts.append(_as_columns(met[start:end]))
            start = end
    return parts


def _as_columns(met: Sequence[tuple[str, HeldRow]]) -> Joined:
    rows = [row for _, row in met]
    weights = [row.weight for row in rows]
    batch = Batch(
        x=np.stack([row.x for row in rows if row.x is not None]),
        target=np.array([row.target for row in rows], np.int64),
        ids=id_column(identity for identity, _ in met),
        timestamps=np.array([row.time for row in rows], np.float64),
        positions=np.array([(row.partition, row.offset) for row in rows], np.int64),
        weight=None
        if weights.count(None) == len(weights)
        else np.array([1 if weight is None else weight for weight in weights], np.float32),
    )
    names = rows[0].predictors
    if not names:
        return Joined(batch, {})
    columns = np.stack([row.predictions for row in rows if row.predictions is not None])
    return Joined(batch, {name: columns[:, place] for place, name in enumerate(names)})
