"""`ProgressWatch`: notices a partition that stands still while its end moves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class _Look:
    position: int
    end: int


class ProgressWatch:
    """Compares positions and ends of partitions between two looks, so many seconds apart.

    A client may lose a partition in silence: it asks for the others alone, and nothing fails.
    """

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._looked_at: float | None = None
        self._seen: dict[int, _Look] = {}
        # Partitions that are waited for -> position, and since when it stands there.
        self._waiting: dict[int, tuple[int, float]] = {}

    def is_due(self, now: float) -> bool:
        """Whether it is time for the next look. now: monotonic seconds."""
        return self._looked_at is None or now - self._looked_at >= self._interval_seconds

    def look(
        self, now: float, *, positions: Mapping[int, int], ends: Mapping[int, int]
    ) -> list[int]:
        """Partitions that were behind their end at the last look, have not moved since, while their
        end has. positions: next offset of each; ends: likewise, of those that are known.

        None where the last look is far longer ago than it should be: then nobody has read.
        """
        if self._looked_at is not None and now - self._looked_at > 2 * self._interval_seconds:
            self._seen, self._waiting = {}, {}
        seen = {
            partition: _Look(position, ends[partition])
            for partition, position in positions.items()
            if partition in ends
        }
        stuck = [
            partition
            for partition, now_seen in seen.items()
            if (before := self._seen.get(partition)) is not None
            and before.position == now_seen.position
            and before.position < before.end < now_seen.end
        ]
        self._seen, self._looked_at = seen, now
        return sorted(stuck)

    def wait(
        self, now: float, *, positions: Mapping[int, int], ends: Mapping[int, int]
    ) -> list[int]:
        """Partitions that have been behind their end for an interval without a move, also where the
        end does not move either. positions: the client's own, which also move over what is no
        record, of partitions that others' records wait for now; ends: as of `look`."""
        stuck = []
        for partition, position in positions.items():
            if position >= ends.get(partition, position):
                self._waiting.pop(partition, None)
                continue
            before, since = self._waiting.get(partition, (position, now))
            if before != position:
                since = now
            self._waiting[partition] = (position, since)
            if now - since >= self._interval_seconds:
                stuck.append(partition)
        return sorted(stuck)

    def pass_over(self, partitions: Iterable[int]) -> None:
        """Their next look is the first one again: they are not read, for reasons of our own."""
        for partition in partitions:
            self._seen.pop(partition, None)
            self._waiting.pop(partition, None)

    def forget(self) -> None:
        """The next look is the first one again: the client is another."""
        self._seen, self._waiting, self._looked_at = {}, {}, None
