"""`Reservoir`: one stream's memory of old concepts: samples of what champions answered well."""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import structlog
from sqlalchemy import Connection

from adaptd.adaptation.trigger import Trigger
from adaptd.daemon.context import StreamContext
from adaptd.daemon.working_channels import with_working_channels
from adaptd.errors import ArtifactError
from adaptd.observer.outages import Outages
from adaptd.registry import manifest, old_concepts, scores
from adaptd.registry.old_concepts import OldConcept
from adaptd.registry.releases import Release
from adaptd.registry.scores import BlockScore
from adaptd.stream.batch import Batch
from adaptd.stream.positions import Positions, none
from adaptd.stream.reservoir import sampled, to_judge
from adaptd.stream.segment import read_segment, write_segment
from adaptd.stream.window import Window

log = structlog.get_logger()

# On the half of fewer a difference of 20 points could be chance: no concept to speak of.
LEAST_RECORDS = 64

# A block or a stretch is answered well unless it lies so many standard errors below the model's
# accuracy. An error of a stretch is never taken for smaller than that of so many records: no
# concept is as even as the formula.
_DEVIATIONS = 3.0
_MOST_RECORDS = 1_000
# A model that was never wrong yet may be wrong for once.
_SURE = 0.95


class Reservoir:
    """A bounded sample of each of the latest concepts, on disk before it counts.

    A champion's concept is over with the first drift that is found: what it had answered well until
    then is what it was made for. Later stretches of the same model add to the sample where they are
    answered as well. What a broken sensor gave does not enter.
    """

    def __init__(self, context: StreamContext, window: Window, outages: Outages) -> None:
        self._context = context
        self._window = window
        self._outages = outages
        self._directory = context.state.reservoir(context.stream)
        # Files of samples that were replaced or let go: they stay until the next sample is there,
        # as a disk may lose its latest commit.
        self._leaving: list[Path] = []
        # None: not read since the latest sample was drawn.
        self._held_back: Positions | None = None

    def take(self, trigger: Trigger, champion: Release) -> None:
        """Samples the concept that a drift has ended; for another trigger, and what was sampled
        before, nothing is done.

        Written in a transaction of its own. Raises ArtifactError if the champion's files are not
        what was released, StoreUnavailable, StaleEpochError.
        """
        context = self._context
        if trigger.kind != "drift" or not context.config.episode.reservoir.concepts:
            return
        files = manifest.verify(context.absolute(champion.path), digest=champion.digest)["files"]
        weights = str(files[manifest.WEIGHTS]["sha256"])
        # Dates of drifts are often late by a few records. And what is known of an outage when the
        # drift is called must not hang on how far the stream was read since.
        end = min(
            trigger.since_record - context.config.alarm.block_records,
            trigger.record + 1 - self._outages.known_after,
        )
        with context.database.read() as connection:
            kept = old_concepts.listing(connection, context.stream)
            before = next((one for one in kept if one.weights == weights), None)
            first = max(self._window.first_record, 0 if before is None else before.end_record)
            blocks = scores.between(
                connection, context.stream, first, end, release_digest=champion.digest
            )
        offered = self._answered_well(blocks, None if before is None else before.accuracy)
        if before is None and sum(block.records for block in offered) < LEAST_RECORDS:
            return
        if not offered:
            return
        context.ledger.verify(context.database)
        concept = self._sampled(before, offered, weights=weights, release=champion.number)
        self._write(concept, [one for one in kept if one.weights != weights], replaced=before)
        log.info(
            "reservoir.sampled",
            stream=context.stream,
            release=concept.release,
            first_record=concept.first_record,
            end_record=concept.end_record,
            offered=concept.offered,
            records=concept.records,
            accuracy=round(concept.accuracy, 4),
        )

    def samples(self) -> Iterator[tuple[OldConcept, Batch | None]]:
        """Each old concept that is wanted, the one that ended first before the others, with its
        sample; None, and a warning, where the file is missing or damaged."""
        wanted = self._context.config.episode.reservoir.concepts
        with self._context.database.read() as connection:
            kept = old_concepts.listing(connection, self._context.stream)
        for concept in kept[max(0, len(kept) - wanted) :]:
            try:
                yield concept, self._earlier(concept)
            except ArtifactError as error:
                log.warning("reservoir.damaged", stream=self._context.stream, error=str(error))
                yield concept, None

    def held_back(self) -> Positions:
        """Where the records lie that forgetting is measured on: nothing is ever trained on them.
        Raises StoreUnavailable."""
        if self._held_back is None:
            judged = [to_judge(sample).positions for _, sample in self.samples() if sample]
            self._held_back = np.concatenate([none(), *judged])
        return self._held_back

    def sweep(self, connection: Connection) -> None:
        """Deletes files that no row names: what a kill, or an earlier version of a state, has
        left."""
        known = {
            self._context.absolute(one.path)
            for one in old_concepts.listing(connection, self._context.stream)
        }
        for path in self._directory.iterdir() if self._directory.is_dir() else ():
            if path not in known:
                path.unlink(missing_ok=True)

    def _sampled(
        self,
        before: OldConcept | None,
        offered: Sequence[BlockScore],
        *,
        weights: str,
        release: int,
    ) -> OldConcept:
        """The concept with more blocks, its sample on disk; begun anew if what was kept of it is
        damaged. weights, release: of the champion."""
        try:
            earlier = self._earlier(before)
        except ArtifactError as error:
            log.warning("reservoir.damaged", stream=self._context.stream, error=str(error))
            before, earlier = None, self._earlier(None)
        first, last = offered[0], offered[-1]
        records = Batch.concatenate([self._records(block) for block in offered])
        of_before = 0 if before is None else before.offered
        hits = sum(block.hits for block in offered)
        if before is not None:
            hits += round(before.accuracy * before.offered)
        sample = sampled(
            earlier,
            records,
            before=of_before,
            capacity=self._context.config.episode.reservoir.records,
            seed=self._context.seed_for("reservoir", first.first_record),
        )
        digest, path = write_segment(self._directory, sample)
        return OldConcept(
            stream=self._context.stream,
            weights=weights,
            release=release if before is None else before.release,
            first_record=first.first_record if before is None else before.first_record,
            end_record=last.first_record + last.records,
            offered=of_before + len(records),
            accuracy=hits / (of_before + len(records)),
            records=len(sample),
            digest=digest,
            path=self._context.relative(path),
            at=self._context.clock.now(),
        )

    def _write(
        self, concept: OldConcept, others: Sequence[OldConcept], *, replaced: OldConcept | None
    ) -> None:
        """others: in the order in which they ended."""
        room = self._context.config.episode.reservoir.concepts - 1
        leaving = others[: max(0, len(others) - room)]

        def write(connection: Connection) -> None:
            old_concepts.keep(connection, concept)
            for one in leaving:
                old_concepts.drop(connection, one)

        self._held_back = None
        self._context.ledger.transact(self._context.database, write)
        staying = {self._context.absolute(one.path) for one in (concept, *others)}
        for path in self._leaving:
            if path not in staying:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        gone = [*leaving, *([] if replaced is None else [replaced])]
        self._leaving = [self._context.absolute(one.path) for one in gone]

    def _answered_well(
        self, blocks: Sequence[BlockScore], accuracy: float | None
    ) -> list[BlockScore]:
        """Those of the blocks that no broken sensor gave, and that are answered as well as the
        model is used to. accuracy: what that is; None: what it is over these."""
        whole = self._of_whole_sensors(blocks)
        records = sum(block.records for block in whole)
        if not records:
            return []
        own = sum(block.hits for block in whole) / records
        usual = own if accuracy is None else accuracy
        if own < _floor(usual, min(records, _MOST_RECORDS)):
            return []
        return [
            block for block in whole if block.hits / block.records >= _floor(usual, block.records)
        ]

    def _of_whole_sensors(self, blocks: Sequence[BlockScore]) -> list[BlockScore]:
        if not self._outages.is_watched:
            return with_working_channels(blocks, self._records)
        if not blocks:
            return []
        first, end = blocks[0].first_record, blocks[-1].first_record + blocks[-1].records
        is_broken = self._outages.are_broken(self._window.positions(first, end))
        return [
            block
            for block in blocks
            if not block.is_broken
            and not is_broken[block.first_record - first :][: block.records].any()
        ]

    def _records(self, block: BlockScore) -> Batch:
        return self._window.between(block.first_record, block.first_record + block.records)

    def _earlier(self, concept: OldConcept | None) -> Batch:
        """Raises ArtifactError."""
        if concept is None:
            return Batch.empty(self._window.shape)
        return read_segment(self._context.absolute(concept.path), concept.digest)


def _floor(accuracy: float, records: int) -> float:
    """What so many records are answered with at least, by a model that has not changed."""
    share = min(accuracy, _SURE)
    return accuracy - _DEVIATIONS * math.sqrt(share * (1 - share) / records)
