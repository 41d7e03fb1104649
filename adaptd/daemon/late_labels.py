"""`LateLabels`: a stream's labels, which come by themselves, on their way to its records."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from adaptd.architecture import Contract
from adaptd.architecture.canonical import canonical_json
from adaptd.config.labels import LabelsConfig
from adaptd.daemon.context import StreamContext
from adaptd.errors import StoreUnavailable
from adaptd.observer.joined import (
    LABEL_FATES,
    RECORD_FATES,
    Conflict,
    Joined,
    Predictions,
)
from adaptd.observer.label_join import LabelJoin
from adaptd.registry.dead_letters import DeadLetter
from adaptd.store import join_rows
from adaptd.store.join_rows import JoinRow, JoinState
from adaptd.stream.batch import Batch
from adaptd.stream.breaker import Breaker
from adaptd.stream.labels import LabelSource
from adaptd.stream.reject import REASONS

log = structlog.get_logger()

SCHEMA_VERSION = 1

# Why a label is set aside that fits, and says something else than the first one did.
CONFLICT = "conflicting-label"

# Labels a poll. More than of records, so that labels which come in a crowd are soon through.
POLL_LABELS = 1_024
# Records or labels that wait in their source: with more of them it is behind, and the other half of
# what is here may lie there.
BEHIND = 2_048


class LateLabels:
    """Polls labels, joins them with records, and counts what becomes of both."""

    def __init__(
        self,
        context: StreamContext,
        config: LabelsConfig,
        *,
        contract: Contract,
        source: LabelSource,
    ) -> None:
        self._context = context
        self._contract = contract
        self._source = source
        self._positions: dict[int, int] = {}
        self._join = LabelJoin(
            stream=context.stream,
            shape=contract.shape,
            classes=len(contract.classes),
            wait_seconds=config.wait_seconds,
            maximum_records=config.maximum_records,
            memory_records=config.memory_records,
            lookup=self._look_up,
        )
        rejects = context.config.rejects
        self._breaker = Breaker(
            what="labels" if config.topic is None else f"labels of topic {config.topic}",
            records=rejects.window_records,
            maximum_share=rejects.maximum_share,
            schema_digest=contract.schema_digest,
        )
        self._are_labels_behind = False
        self._most_held = config.maximum_records
        self.is_exhausted = False
        context.metrics.prepare_labels(
            context.stream,
            label_fates=LABEL_FATES,
            record_fates=RECORD_FATES,
            reasons=(*REASONS, CONFLICT),
        )

    @property
    def are_records_ahead(self) -> bool:
        """Whether so many records wait for labels that are behind that more would only push them
        out."""
        return self._is_full("waiting") and self._are_labels_behind

    @property
    def unsaved(self) -> int:
        """Ids that have changed since the last `settle`."""
        return self._join.unsaved

    def poll(
        self,
        *,
        records: Mapping[int, int],
        lag: Mapping[int, int],
        are_records_over: bool,
        now: datetime,
    ) -> tuple[list[Joined], list[DeadLetter]]:
        """Takes the labels that have come. Returns the records that they were put to, and the
        labels that are set aside.

        records: the positions that the records have reached. lag: how many of them wait.
        Raises as a `LabelSource`, StoreUnavailable with nothing taken, and SourceError where most
        labels do not fit.
        """
        are_records_behind = not self._source.follows_records and sum(lag.values()) > BEHIND
        if not are_records_over and (
            not self._join.has_begun or (are_records_behind and self._is_full("early"))
        ):
            return [], self._count(now)
        poll = self._source.poll(
            maximum=POLL_LABELS, records=records, are_records_over=are_records_over
        )
        try:
            self._join.fetch(poll.labels.ids)
        except StoreUnavailable:
            self._source.seek(self._positions)
            raise
        self._are_labels_behind = sum(self._source.lag().values()) > BEHIND
        self._join.is_behind = are_records_behind or self._are_labels_behind
        self._breaker.note(poll.labels.positions, poll.rejects)
        joined = self._join.put_labels(poll.labels) if len(poll.labels) else []
        self._positions.update(poll.positions)
        self.is_exhausted = poll.is_exhausted
        letters = [
            DeadLetter(stream=self._context.stream, at=now, origin="labels", **asdict(reject))
            for reject in poll.rejects
        ]
        return joined, letters + self._count(now)

    def fetch(self, batch: Batch) -> None:
        """Looks up what is known of the records that come next. Raises StoreUnavailable with
        nothing changed: then they are to be read again."""
        self._join.fetch(batch.ids)

    def put(self, batch: Batch, predictions: Predictions, *, now: datetime) -> list[Joined]:
        """Takes records that have come, without their labels. Returns those whose labels were
        there already."""
        return self._join.put(batch, predictions, at=now)

    def state(self) -> dict[str, Any]:
        """As JSON values, for the checkpoint that `save` is part of."""
        return {
            "schema_version": SCHEMA_VERSION,
            "positions": {str(key): value for key, value in self._positions.items()},
            "join": self._join.state(),
            "breaker": self._breaker.state(),
        }

    def restore(self, connection: Connection, state: Mapping[str, Any] | None) -> None:
        """Goes on where `state` was taken; None begins with the earliest label."""
        if state is not None:
            self._positions = {int(key): value for key, value in state["positions"].items()}
            self._breaker.restore(state["breaker"])
        self._join.restore(connection, None if state is None else state["join"])
        self._source.seek(self._positions)

    def save(self, connection: Connection) -> None:
        """As of `LabelJoin`."""
        self._join.save(connection)

    def settle(self) -> None:
        """As of `LabelJoin`."""
        self._join.settle()
        metrics, stream = self._context.metrics, self._context.stream
        for state, held in self._join.held.items():
            metrics.join_held.labels(stream, state).set(held)
        metrics.show_label_lag(stream, self._source.lag())

    def close(self) -> None:
        """Lets go of the source."""
        self._source.close()

    def _is_full(self, state: JoinState) -> bool:
        return self._join.held[state] > self._most_held / 2

    def _look_up(self, ids: Sequence[str]) -> Sequence[JoinRow]:
        with self._context.database.read() as connection:
            return join_rows.fetch(connection, self._context.stream, ids)

    def _count(self, now: datetime) -> list[DeadLetter]:
        tally = self._join.take_tally()
        metrics, stream = self._context.metrics, self._context.stream
        for fate, count in tally.labels.items():
            metrics.labels.labels(stream, fate).inc(count)
        for record_fate, count in tally.records.items():
            metrics.unjoined_records.labels(stream, record_fate).inc(count)
        for delay in tally.delays:
            metrics.label_delay_seconds.labels(stream).observe(delay)
        return [self._letter(conflict, now) for conflict in tally.conflicts]

    def _letter(self, conflict: Conflict, now: datetime) -> DeadLetter:
        first, target = (self._contract.classes[at] for at in (conflict.first, conflict.target))
        return DeadLetter(
            stream=self._context.stream,
            reason=CONFLICT,
            partition=conflict.partition,
            offset=conflict.offset,
            detail=f"the first label of {conflict.id[:64]} was {first}, which stays; got {target}",
            payload=canonical_json({"id": conflict.id, "target": target}).encode(),
            at=now,
            origin="labels",
        )
