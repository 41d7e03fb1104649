"""`Outages`: which records came while a sensor was broken."""

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state

SCHEMA_VERSION = 1

# Of the latest that are known. One that flickers makes one of every second block or so.
MOST_SPANS = 1_000

_Positions = NDArray[np.int64]


@dataclass
class Span:
    """Consecutive records, numbered as they came, that are not to be trusted.

    first, end: the first of them, and the one after the last: of blocks in a row with a broken
    channel, and of one block before and one after them, of which up to half may be broken.
    noticed: the one from which it was known when the block of a record began.
    partitions: [partition, offset of its first record, of the one noticed, the one after its last].
    """

    first: int
    noticed: int
    end: int
    partitions: list[list[int]] = field(default_factory=list)


class Outages:
    """Knows the records by their positions in the source, so that it can be asked of records that
    are labelled later, and in another order; also of those that came before anything was noticed.

    What becomes of a record is known once two blocks have come after it. Keeps the latest
    `MOST_SPANS` outages. Depends on the records alone, however they were polled.
    """

    def __init__(self, block_records: int, *, is_watched: bool = True) -> None:
        """is_watched: whether anybody looks for broken sensors; else there is nothing to wait
        for."""
        self.is_watched = is_watched
        self._size = block_records
        self._spans: deque[Span] = deque(maxlen=MOST_SPANS)
        # Positions of the latest records, which may yet turn out to have been broken.
        self._latest: _Positions = np.empty((0, 2), np.int64)
        self._next = 0

    @property
    def known_after(self) -> int:
        """Records that have to come after one before it is known what becomes of it."""
        return 2 * self._size if self.is_watched else 0

    @property
    def latest(self) -> Span | None:
        """The latest outage, which may still go on; None where there was none."""
        return self._spans[-1] if self._spans else None

    def see(
        self, first_record: int, positions: _Positions, broken_blocks: Sequence[tuple[int, int]]
    ) -> None:
        """Takes records as they come: int64 [n, 2] (partition, offset), and the blocks among those
        that they have filled of which a channel is broken, (first record, the one after its last).
        """
        if first_record != self._next:
            self._latest = self._latest[:0]
        earlier, self._next = first_record, first_record + len(positions)
        self._latest = np.concatenate([self._latest, positions])
        for first, end in broken_blocks:
            if self._spans and first <= self._spans[-1].end - self._size:
                self._spans[-1].end = end + self._size
            else:
                self._spans.append(Span(first - self._size, end, end + self._size))
        for span in reversed(self._spans):
            if span.end <= earlier - 2 * self._size:
                break
            self._cover(span)
        # A block that is filled next begins less than one before the end, and counts one before it.
        self._latest = self._latest[max(0, len(self._latest) - 2 * self._size) :].copy()

    def are_broken(self, positions: _Positions) -> NDArray[np.bool_]:
        """Which of the records, int64 [n, 2], belong to an outage; bool [n]."""
        return self._within(positions, 1)

    def were_known(self, positions: _Positions) -> NDArray[np.bool_]:
        """Of which that was known when their block began: what has to be judged at once does not
        hang on how far the stream was read."""
        return self._within(positions, 2)

    def state(self) -> dict[str, Any]:
        """As JSON values, exact; of bounded size."""
        return {
            "schema_version": SCHEMA_VERSION,
            "size": self._size,
            "spans": [asdict(span) for span in self._spans],
            "latest": to_state(self._latest),
            "next": self._next,
        }

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Goes on where `state` was taken, also with blocks of another size; None: nothing is
        known. Raises ValueError for a state of another version."""
        if state is None:
            return
        if state.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(
                f"outages schema_version must be {SCHEMA_VERSION}, "
                f"got {state.get('schema_version')!r}"
            )
        self._spans.extend(Span(**span) for span in state["spans"])
        self._latest = from_state(state["latest"])
        self._next = int(state["next"])

    def _cover(self, span: Span) -> None:
        """Adds those of the latest records that belong to it."""
        numbers = np.arange(self._next - len(self._latest), self._next)
        own = (numbers >= span.first) & (numbers < span.end)
        found = {row[0]: row for row in span.partitions}
        for partition in np.unique(self._latest[own, 0]).tolist():
            of_it = own & (self._latest[:, 0] == partition)
            offsets = self._latest[of_it, 1]
            known = self._latest[of_it & (numbers >= span.noticed), 1]
            first, last = int(offsets.min()), int(offsets.max()) + 1
            row = found.setdefault(partition, [partition, first, last, last])
            was_known = row[2] < row[3]
            row[1], row[3] = min(row[1], first), max(row[3], last)
            if not was_known:
                row[2] = int(known.min()) if len(known) else row[3]
        span.partitions = [found[partition] for partition in sorted(found)]

    def _within(self, positions: _Positions, start: int) -> NDArray[np.bool_]:
        """start: the place of the first offset in a partition's row."""
        found = np.zeros(len(positions), np.bool_)
        rows = sorted(itertools.chain.from_iterable(span.partitions for span in self._spans))
        for partition, own in itertools.groupby(rows, key=lambda row: row[0]):
            # Both grow from span to span, though one may begin before the last has ended.
            spans = np.array(list(own), np.int64)
            of_it = positions[:, 0] == partition
            offsets = positions[of_it, 1]
            place = np.searchsorted(spans[:, start], offsets, side="right") - 1
            found[of_it] = (place >= 0) & (offsets < spans[np.maximum(place, 0), 3])
        return found
