"""`LabelJoin`: records and labels that come apart, put together by id."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from adaptd.observer.held_row import HeldRow, joined_of
from adaptd.observer.joined import Conflict, Joined, Predictions, Tally
from adaptd.store import join_rows
from adaptd.store.join_rows import JoinRow, JoinState
from adaptd.stream.batch import Batch
from adaptd.stream.labels import Labels

SCHEMA_VERSION = 1

Lookup = Callable[[Sequence[str]], Sequence[JoinRow]]


@dataclass(frozen=True)
class _Saved:
    """What the last `save` came to. held: state -> ids in the store. given_up: the same of those
    that it removed. first_number: older rows are not there any more."""

    held: dict[JoinState, int]
    given_up: Counter[JoinState] = field(default_factory=Counter)
    first_number: int = 0


class LabelJoin:
    """Holds each half until the other comes; which comes first does not matter.

    The clock is the largest time that a record has had, and each half waits from where it stood
    when it came: what has waited longer than `wait_seconds` by it is given up. But not while one of
    the two sources is behind (`is_behind`): then the other half may be there already, unread.
    What is in memory is what is new since the last `settle`, and the latest `memory_records`
    beside it; the rest lies in the store, and is looked up there by id.

    shape: of a record. classes: how many. lookup: ids -> the rows that the store has of them.
    """

    def __init__(
        self,
        *,
        stream: str,
        shape: tuple[int, ...],
        classes: int,
        wait_seconds: float,
        maximum_records: int,
        memory_records: int,
        lookup: Lookup,
    ) -> None:
        self._stream = stream
        self._shape = shape
        self._classes = classes
        self._wait = wait_seconds
        self._maximum = maximum_records
        self._memory = memory_records
        self._lookup = lookup
        self._rows: dict[str, HeldRow] = {}
        self._changed: set[str] = set()
        self._stored: dict[JoinState, int] = {"waiting": 0, "early": 0, "met": 0}
        # Of the store's rows, how many are not in memory.
        self._elsewhere = 0
        self._next = 0
        self._clock = self._horizon = float("-inf")
        self.is_behind = False
        self._tally = Tally()
        self._saved = _Saved(dict(self._stored))

    def put(self, batch: Batch, predictions: Predictions, *, at: datetime) -> list[Joined]:
        """Takes records as they come; their targets are not looked at.

        predictions: predictor -> float32 [n, classes]. at: wall time. Returns those whose label
        was there first.
        """
        self.fetch(batch.ids)
        if len(batch):
            self._clock = max(self._clock, float(batch.timestamps.max()))
        self._move_horizon()
        names = tuple(predictions)
        columns = np.stack([predictions[name] for name in names], axis=1) if names else None
        ingested_at = at.timestamp()
        met: list[tuple[str, HeldRow]] = []
        for place, (identity, time) in enumerate(
            zip(batch.ids, batch.timestamps.tolist(), strict=True)
        ):
            label = self._live(identity)
            if label is not None and label.state != "early":
                self._tally.records["duplicate"] += 1
                continue
            partition, offset = batch.positions[place].tolist()
            new = HeldRow(
                number=self._number(),
                state="waiting",
                time=time,
                since=self._clock,
                partition=partition,
                offset=offset,
                ingested_at=ingested_at,
                # A copy: one record that waits must not keep a whole poll in memory.
                x=batch.x[place].copy(),
                predictors=names,
                predictions=None if columns is None else columns[place].copy(),
                weight=None if batch.weight is None else float(batch.weight[place]),
            )
            if label is None:
                self._keep(identity, new)
            else:
                new.target = label.target
                met.append((identity, new))
                self._tally.delays.append(max(0.0, label.time - time))
                self._remember(identity, new)
        return joined_of(met)

    def put_labels(self, labels: Labels) -> list[Joined]:
        """Takes labels as they come; one without a time has that of the latest record.

        Returns the records that they are put to.
        """
        self.fetch(labels.ids)
        self._move_horizon()
        times = np.where(np.isnan(labels.times), self._clock, labels.times).tolist()
        met: list[tuple[str, HeldRow]] = []
        for place, (identity, target, time) in enumerate(
            zip(labels.ids, labels.target.tolist(), times, strict=True)
        ):
            row = self._live(identity)
            if row is None:
                # Before the first record there is nothing to wait by.
                since = self._clock if self.has_begun else math.inf
                self._keep(identity, HeldRow(self._number(), "early", time, since, target=target))
            elif row.state == "waiting":
                row.target = target
                met.append((identity, row))
                self._tally.delays.append(max(0.0, time - row.time))
                self._remember(identity, row)
            elif row.target == target:
                self._tally.labels["duplicate"] += 1
            else:
                partition, offset = labels.positions[place].tolist()
                self._tally.labels["conflicting"] += 1
                self._tally.conflicts.append(
                    Conflict(identity, int(row.target or 0), target, partition, offset)
                )
        return joined_of(met)

    def take_tally(self) -> Tally:
        """What has happened since the last call."""
        tally, self._tally = self._tally, Tally()
        return tally

    @property
    def held(self) -> Mapping[JoinState, int]:
        """State -> ids in the store, as of the last `settle`."""
        return self._stored

    @property
    def has_begun(self) -> bool:
        """Whether a record has come."""
        return self._clock > float("-inf")

    @property
    def unsaved(self) -> int:
        """Ids that have changed since the last `settle`."""
        return len(self._changed)

    def state(self) -> dict[str, Any]:
        """As JSON values: what the rows do not say. For the transaction that `save` is in."""
        return {
            "schema_version": SCHEMA_VERSION,
            "clock": None if self._clock == float("-inf") else self._clock,
            "horizon": None if self._horizon == float("-inf") else self._horizon,
        }

    def restore(self, connection: Connection, state: Mapping[str, Any] | None) -> None:
        """Goes on with what the store has. state: of its last transaction, None for none.

        Raises ValueError for a state of another version.
        """
        if state is not None:
            if state.get("schema_version") != SCHEMA_VERSION:
                raise ValueError(
                    f"label join state schema_version must be {SCHEMA_VERSION}, "
                    f"got {state.get('schema_version')!r}"
                )
            if state["clock"] is not None:
                self._clock = float(state["clock"])
            if state["horizon"] is not None:
                self._horizon = float(state["horizon"])
        self._stored = join_rows.counts(connection, self._stream)
        kept = join_rows.latest(connection, self._stream, self._memory)
        self._rows = {row.id: self._loaded(row) for row in kept}
        self._next = kept[-1].number + 1 if kept else 0
        self._elsewhere = sum(self._stored.values()) - len(kept)

    def save(self, connection: Connection) -> None:
        """Writes what has changed and gives up what has waited too long. Call `settle` once the
        transaction is committed; after one that was not, this is called again."""
        held = Counter(self._stored)
        for identity in self._changed:
            row = self._rows[identity]
            held[row.state] += 1
            if row.stored is not None:
                held[row.stored] -= 1
        join_rows.replace(
            connection,
            self._stream,
            [self._rows[identity].as_row(identity) for identity in self._changed],
        )
        given_up = Counter(join_rows.drop_before(connection, self._stream, self._horizon))
        excess = held.total() - given_up.total() - self._maximum
        first = 0
        if excess > 0:
            first, dropped = join_rows.drop_oldest(connection, self._stream, excess)
            given_up.update(dropped)
        held.subtract(given_up)
        self._saved = _Saved({state: held[state] for state in self._stored}, given_up, first)

    def settle(self) -> None:
        """What `save` wrote is committed."""
        given_up = self._saved.given_up
        self._stored = self._saved.held
        self._tally.records["unlabelled"] += given_up["waiting"]
        self._tally.labels["unmatched"] += given_up["early"]
        for identity in self._changed:
            self._rows[identity].stored = self._rows[identity].state
        self._changed.clear()
        if given_up.total():
            self._rows = {
                identity: row
                for identity, row in self._rows.items()
                if row.number >= self._saved.first_number and not self._is_over(row)
            }
        while len(self._rows) > self._memory:
            del self._rows[next(iter(self._rows))]
        self._elsewhere = sum(self._stored.values()) - len(self._rows)

    def fetch(self, ids: NDArray[np.object_]) -> None:
        """Brings what the store has of these ids into memory, as `put` does at first. Raises what
        the lookup raises, before anything has changed."""
        if not self._elsewhere:
            return
        unknown = [identity for identity in dict.fromkeys(ids) if identity not in self._rows]
        for row in self._lookup(unknown) if unknown else ():
            self._rows[row.id] = self._loaded(row)
            self._elsewhere -= 1

    def _move_horizon(self) -> None:
        if not self.is_behind:
            self._horizon = max(self._horizon, self._clock - self._wait)

    def _is_over(self, row: HeldRow) -> bool:
        return row.since < self._horizon

    def _live(self, identity: str) -> HeldRow | None:
        """The row of that id; None also for one that has waited too long, and is counted so: the
        next row takes its place."""
        row = self._rows.get(identity)
        if row is None or not self._is_over(row):
            return row
        if row.state == "waiting":
            self._tally.records["unlabelled"] += 1
        elif row.state == "early":
            self._tally.labels["unmatched"] += 1
        return None

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _keep(self, identity: str, row: HeldRow) -> None:
        # At the end, also where it takes another's place: those that rest longest stand in front.
        before = self._rows.pop(identity, None)
        row.stored = None if before is None else before.stored
        self._rows[identity] = row
        self._changed.add(identity)

    def _loaded(self, row: JoinRow) -> HeldRow:
        return HeldRow.loaded(row, shape=self._shape, classes=self._classes)

    def _remember(self, identity: str, row: HeldRow) -> None:
        """From now on only that it has been: what it was goes into a batch."""
        self._tally.labels["joined"] += 1
        self._keep(identity, HeldRow(row.number, "met", row.time, self._clock, target=row.target))
