"""`Intake`: what comes of a stream: records, their labels, and what is neither."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import structlog
from sqlalchemy import Connection

from adaptd.daemon.backoff import Backoff
from adaptd.daemon.context import StreamContext
from adaptd.daemon.late_labels import LateLabels
from adaptd.daemon.memory import Memory
from adaptd.errors import SourceUnavailable, StoreUnavailable
from adaptd.observer.joined import Joined, Predictions
from adaptd.registry import dead_letters
from adaptd.registry.dead_letters import DeadLetter
from adaptd.stream.batch import Batch
from adaptd.stream.breaker import Breaker
from adaptd.stream.labels import LabelSource
from adaptd.stream.source import Poll, Source

log = structlog.get_logger()

# Records set aside since the last checkpoint that ask for one: a transaction takes far fewer than
# may wait for delivery.
URGENT_REJECTS = 1_000


class Intake:
    """Records are predicted as they come, and taken once they have their labels: at once, where
    these stand in them.

    The positions up to which records were taken are `memory.positions`.
    """

    def __init__(
        self,
        context: StreamContext,
        *,
        source: Source,
        labels: LabelSource | None,
        memory: Memory,
        predict: Callable[[Poll], Predictions],
        see: Callable[[Batch, Predictions], Iterator[slice]],
        take: Callable[[Joined], None],
    ) -> None:
        """labels: where they come from if not with the records. predict: what everybody says of
        records that have just come. see: looks at these, whether or not they have labels, and gives
        the parts in which they are to be taken. take: labelled records, with what was said of them
        when they came."""
        self._context = context
        self._source = source
        self._memory = memory
        self._predict = predict
        self._see = see
        self._take = take
        contract = source.schema.contract()
        self._late = (
            None
            if labels is None or context.config.labels is None
            else LateLabels(context, context.config.labels, contract=contract, source=labels)
        )
        rejects = context.config.rejects
        self._breaker = Breaker(
            what="records",
            records=rejects.window_records,
            maximum_share=rejects.maximum_share,
            schema_digest=contract.schema_digest,
        )
        self._backoff = Backoff(np.random.default_rng(context.seed_for("backoff", 0)))
        self._poll_at = float("-inf")
        self._set_aside_since = 0
        self._are_records_over = False
        self.trouble: str | None = None

    @property
    def has_labels_later(self) -> bool:
        """Whether labels come by themselves."""
        return self._late is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self._are_records_over and (self._late is None or self._late.is_exhausted)

    @property
    def unsaved(self) -> int:
        """Records and labels that the store does not hold yet, beside those of the window."""
        return 0 if self._late is None else self._late.unsaved

    def poll(self, *, room: Callable[[], int], timeout_seconds: float) -> bool:
        """Takes what has come, or waits for it no longer than the time-out. False where the source
        cannot be reached: it is tried again after a while, `trouble` says why.

        room: how many records may come. Raises SourceError where the source can never be read on,
        and what the store raises.
        """
        if self._context.clock.monotonic() < self._poll_at:
            return False
        try:
            self._poll(room, timeout_seconds)
        except SourceUnavailable as error:
            wait = self._backoff.fail()
            self._poll_at = self._context.clock.monotonic() + wait
            self.trouble = str(error)
            log.warning(
                "source.unavailable",
                stream=self._context.stream,
                error=str(error),
                retry_seconds=wait,
            )
            return False
        self._backoff.succeed()
        self.trouble = None
        return True

    def state(self) -> dict[str, Any]:
        """Its part of the checkpoint."""
        return {
            "breaker": self._breaker.state(),
            "labels": None if self._late is None else self._late.state(),
        }

    def restore(self, connection: Connection, document: dict[str, Any] | None) -> None:
        """Goes on where the checkpoint was. document: None where there is none."""
        self._source.seek(self._memory.positions)
        if self._late is not None:
            self._late.restore(connection, None if document is None else document.get("labels"))
        if document is not None and "breaker" in document:
            self._breaker.restore(document["breaker"])

    def save(self, connection: Connection) -> None:
        """Of the transaction of a checkpoint."""
        if self._late is not None:
            self._late.save(connection)

    def settle(self) -> None:
        """The checkpoint is in the store."""
        self._set_aside_since = 0
        if self._late is not None:
            self._late.settle()

    def close(self) -> None:
        """Closes the sources."""
        self._source.close()
        if self._late is not None:
            self._late.close()

    def _poll(self, room: Callable[[], int], timeout_seconds: float) -> None:
        late = self._late
        if late is not None:
            joined, letters = late.poll(
                records=self._memory.positions,
                lag=self._source.lag(),
                are_records_over=self._are_records_over,
                now=self._context.clock.now(),
            )
            self._set_aside(letters)
            self._take_all(joined)
            # What waits for nothing is not to wait for records.
            timeout_seconds = 0 if joined or letters else timeout_seconds
        if not self._are_records_over and not (late is not None and late.are_records_ahead):
            self._poll_records(room(), timeout_seconds)

    def _poll_records(self, maximum: int, timeout_seconds: float) -> None:
        poll = self._source.poll(maximum=maximum, timeout_seconds=timeout_seconds)
        # Not before: they may have been waited for.
        now = self._context.clock.now()
        stream, metrics = self._context.stream, self._context.metrics
        if self._late is not None:
            try:
                self._late.fetch(poll.batch)
            except StoreUnavailable:
                self._source.seek(self._memory.positions)
                raise
        self._breaker.note(poll.batch.positions, poll.rejects)
        metrics.read_records.labels(stream).inc(len(poll.batch) + len(poll.rejects))
        self._set_aside(
            [DeadLetter(stream=stream, at=now, **asdict(reject)) for reject in poll.rejects]
        )
        if len(poll.batch):
            predictions = self._predict(poll)
            whole = Joined(poll.batch, predictions)
            for part in self._see(poll.batch, predictions):
                if self._late is None:
                    self._take_all([whole[part]])
            if self._late is not None:
                self._take_all(self._late.put(poll.batch, predictions, now=now))
        self._memory.positions.update(poll.positions)
        metrics.show_lag(stream, self._source.lag())
        self._are_records_over = poll.is_exhausted

    def _take_all(self, joined: Sequence[Joined]) -> None:
        for part in joined:
            if len(part.batch):
                self._take(part)

    def _set_aside(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        self._set_aside_since += len(letters)
        self._context.ledger.add(
            lambda connection: dead_letters.add(connection, letters),
            is_urgent=self._set_aside_since >= URGENT_REJECTS,
        )
        metrics = self._context.metrics
        for letter in letters:
            of = metrics.rejected_records if letter.origin == "records" else metrics.rejected_labels
            of.labels(self._context.stream, letter.reason).inc()
