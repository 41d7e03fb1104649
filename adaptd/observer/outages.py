"""`Outages`: which records came while a sensor was broken."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state
from adaptd.observer.stretches import Stretches

SCHEMA_VERSION = 2

_Positions = NDArray[np.int64]


class Outages:
    """Knows the records by their positions in the source, so that it can be asked of records that
    are labelled later, and in another order; also of those that came before anything was noticed.

    An outage is of blocks with a broken channel, and of one block before and one after each of
    them, of which up to half may be broken.
    What becomes of a record is known once two blocks have come after it. Keeps the latest outages,
    as `Stretches`. Depends on the records alone, however they were polled.
    """

    def __init__(self, block_records: int, *, is_watched: bool = True) -> None:
        """is_watched: whether anybody looks for broken sensors; else nothing is known of any, also
        not from before, and there is nothing to wait for."""
        self.is_watched = is_watched
        self._size = block_records
        self._broken = Stretches()
        # Of these, the records of which it was known when their block began.
        self._known = Stretches()
        # Positions of the latest records, which may yet turn out to have been broken.
        self._latest: _Positions = np.empty((0, 2), np.int64)
        self._next = 0

    @property
    def known_after(self) -> int:
        """Records that have to come after one before it is known what becomes of it."""
        return 2 * self._size if self.is_watched else 0

    @property
    def latest(self) -> tuple[int, int] | None:
        """The latest outage, which may still go on: the number of its first record, as they came,
        and the one after its last; None where there was none."""
        return self._broken.latest

    def see(
        self, first_record: int, positions: _Positions, broken_blocks: Sequence[tuple[int, int]]
    ) -> None:
        """Takes records as they come: int64 [n, 2] (partition, offset), and the blocks among those
        that they have filled of which a channel is broken, (first record, the one after its last).
        """
        if not self.is_watched:
            return
        if first_record != self._next:
            self._latest = self._latest[:0]
        earlier, self._next = first_record, first_record + len(positions)
        self._latest = np.concatenate([self._latest, positions])
        start = self._next - len(self._latest)
        for stretches in (self._broken, self._known):
            if stretches.latest is not None and stretches.latest[1] > earlier:
                stretches.cover(start, self._latest)
        for first, end in broken_blocks:
            self._broken.put(first - self._size, end + self._size)
            self._broken.cover(start, self._latest)
            self._known.put(end, end + self._size)
            self._known.cover(start, self._latest)
        # A block that is filled next begins less than one before the end, and counts one before it.
        self._latest = self._latest[max(0, len(self._latest) - 2 * self._size) :].copy()

    def are_broken(self, positions: _Positions) -> NDArray[np.bool_]:
        """Which of the records, int64 [n, 2], belong to an outage; bool [n]."""
        return self._broken.hold(positions)

    def are_undecided(self, positions: _Positions) -> NDArray[np.bool_]:
        """Of which of the records, that have all come, it is not known yet what becomes of them;
        bool [n]. Those after which too few have come, in whatever order their labels did."""
        if not len(self._latest):
            return np.zeros(len(positions), np.bool_)
        # Offsets of a partition grow, so all from the first of the latest on are among them.
        partitions, places = np.unique(self._latest[:, 0], return_index=True)
        own = np.minimum(np.searchsorted(partitions, positions[:, 0]), len(partitions) - 1)
        firsts = self._latest[places, 1]
        is_undecided: NDArray[np.bool_] = (partitions[own] == positions[:, 0]) & (
            positions[:, 1] >= firsts[own]
        )
        return is_undecided

    def were_known(self, positions: _Positions) -> NDArray[np.bool_]:
        """Of which that was known when their block began: what has to be judged at once does not
        hang on how far the stream was read."""
        return self._known.hold(positions)

    def state(self) -> dict[str, Any]:
        """As JSON values, exact; of bounded size."""
        return {
            "schema_version": SCHEMA_VERSION,
            "size": self._size,
            "broken": self._broken.state(),
            "known": self._known.state(),
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
        if not self.is_watched:
            return
        self._broken.restore(state["broken"])
        self._known.restore(state["known"])
        self._latest = from_state(state["latest"])
        self._next = int(state["next"])
