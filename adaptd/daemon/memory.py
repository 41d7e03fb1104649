"""What a stream's loop remembers: its window, its positions, and where they lie on disk."""

from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection

from adaptd.daemon import archive
from adaptd.daemon.context import StreamContext
from adaptd.daemon.ledger import Effect
from adaptd.errors import ArtifactError, StateDirectoryError
from adaptd.registry import scores
from adaptd.registry.scores import BlockScore
from adaptd.store import checkpoints, pins, segments
from adaptd.store.checkpoints import Checkpoint
from adaptd.store.directory import RESTORE
from adaptd.store.segments import SegmentRow
from adaptd.stream.batch import Batch
from adaptd.stream.segment import read_segment, write_segment
from adaptd.stream.window import Window

log = structlog.get_logger()

# Blocks of earlier runs that the accuracy may still need: 1,000 records of the smallest blocks.
ACCURACY_BLOCKS = 125


class Memory:
    """The window of labelled records, kept as segments that the checkpoint's transaction names."""

    def __init__(
        self,
        context: StreamContext,
        *,
        window: Window,
        positions: dict[int, int],
        blocks: Iterable[BlockScore],
    ) -> None:
        self._context = context
        self._directory = context.state.segments(context.stream)
        self._unsaved: list[Batch] = []
        self._blocks = deque(blocks)
        # Files of rows that the latest checkpoint has dropped.
        self._leaving: list[Path] = []
        self.window = window
        self.positions = positions

    @classmethod
    def open(
        cls, context: StreamContext, connection: Connection, *, shape: tuple[int, ...]
    ) -> tuple["Memory", dict[str, Any] | None]:
        """The memory at the latest checkpoint, and that checkpoint's document; None at first start.

        Sweeps files that nobody names. Raises ArtifactError for a segment that is not as stored,
        StateDirectoryError where rows contradict each other; nothing is swept then.
        """
        rows = segments.listing(connection, context.stream)
        checkpoint = checkpoints.load(connection, context.stream)
        try:
            window = Window.restored(
                context.config.window_records,
                shape,
                ((row.first_record, _read(context.absolute(row.path), row.digest)) for row in rows),
                next_record=0 if checkpoint is None else checkpoint.next_record,
            )
        except ValueError as error:
            raise StateDirectoryError(
                f"{context.state.database}: stream {context.stream}: {error}; {RESTORE}"
            ) from error
        named = {row.path for row in rows} | pins.paths(connection, context.stream)
        _sweep(context.state.segments(context.stream), set(map(context.absolute, named)))
        memory = cls(
            context,
            window=window,
            positions={} if checkpoint is None else dict(checkpoint.positions),
            blocks=scores.series(connection, context.stream, limit=ACCURACY_BLOCKS),
        )
        return memory, None if checkpoint is None else checkpoint.document

    def append(self, batch: Batch) -> None:
        """Takes records into the window; the next save makes them last."""
        self.window.append(batch)
        self._unsaved.append(batch)

    def accuracy_of(self, blocks: Sequence[BlockScore], records: int) -> float:
        """The fraction right over the latest blocks that hold so many records, these at their
        end."""
        self._blocks.extend(blocks)
        total = sum(block.records for block in self._blocks)
        while total - self._blocks[0].records >= records:
            total -= self._blocks.popleft().records
        return sum(block.hits for block in self._blocks) / total

    @property
    def unsaved_records(self) -> int:
        """Records that came since the last save."""
        return sum(map(len, self._unsaved))

    def save(self, document: dict[str, Any], *closing: Effect) -> None:
        """Commits the ledger, what is new of the window, the positions, the document and what else
        closes together.

        Raises StoreUnavailable with nothing lost: the next save writes it all. Raises
        StaleEpochError where another process owns the stream now.
        """
        stream, ledger = self._context.stream, self._context.ledger
        if self._unsaved:
            ledger.verify(self._context.database)
            batch = Batch.concatenate(self._unsaved)
            digest, path = write_segment(self._directory, batch)
            row = SegmentRow(
                stream=stream,
                first_record=self.window.next_record - len(batch),
                records=len(batch),
                digest=digest,
                path=self._context.relative(path),
            )
            ledger.add(lambda connection: segments.add(connection, row))
            self._unsaved.clear()
        dropped: list[SegmentRow] = []
        checkpoint = Checkpoint(
            stream=stream,
            document=document,
            positions=dict(self.positions),
            next_record=self.window.next_record,
        )

        def close(connection: Connection) -> None:
            leaving = segments.drop_before(connection, stream, record=self.window.first_record)
            dropped.extend(archive.settle(connection, self._context, leaving))
            checkpoints.save(connection, checkpoint, now=self._context.clock.now())

        ledger.commit(self._context.database, close, *closing)
        # The rows went first: a kill here leaves files that the next start sweeps. And the files
        # stay for one checkpoint more: a disk that loses the latest commit, though it has said that
        # it was written, leaves the one before it whole.
        for path in self._leaving:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self._leaving = [self._context.absolute(row.path) for row in dropped]


def _read(path: Path, digest: str) -> Batch:
    try:
        return read_segment(path, digest)
    except ArtifactError as error:
        raise ArtifactError(
            f"{error}. The window cannot be had without it: copy this file from a backup that has "
            "it, or let `adaptd repair` drop it and all records before it from the window"
        ) from error


def _sweep(directory: Path, known: set[Path]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.iterdir():
        if path not in known:
            path.unlink()
