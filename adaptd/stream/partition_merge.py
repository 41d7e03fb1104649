"""`PartitionMerge`: the records of a topic's partitions in one order, however polls bring them."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from heapq import heapify, heapreplace
from typing import Any, Protocol

import structlog

from adaptd.clock import Clock

_log = structlog.get_logger(__name__)

# What is enough of one partition, in records and in bytes: it is held until there is less. A fetch
# of kafka-python's brings up to a megabyte of a partition.
ENOUGH_RECORDS = 512
ENOUGH_BYTES = 1 << 20
# Records asked for at a time, where more than the reader's may wait for their turn.
_POLL_RECORDS = 1_000
# Seconds. Where a partition's records are on their way, asking again at once would not help.
_LEAST_PATIENCE_SECONDS = 0.1
# Seconds that a partition is waited for, while its leader has messages, until that is said.
_LONG_SECONDS = 15.0


class Partitions(Protocol):
    """What is merged: the partitions of a topic, as `KafkaPartitions` has them. A record has
    partition, offset, timestamp (milliseconds; None where it has none) and value (bytes or
    None)."""

    @property
    def positions(self) -> Mapping[int, int]: ...

    def seek(self, positions: Mapping[int, int]) -> None: ...

    def poll(
        self, *, maximum: int, timeout_seconds: float, held: Collection[int] = ()
    ) -> Mapping[int, Sequence[Any]]: ...

    def at_end(self, partitions: Collection[int]) -> set[int]: ...


class PartitionMerge:
    """Always the earliest of the partitions' next records: by the timestamp that the topic has of
    it, then by partition. So the order is that of what the topic holds, whatever the polls; and it
    has no memory, so that from any place in it, it goes on alike.

    A partition without a next record is waited for: as long as its leader has some, and where it
    has none, for `wait_seconds` from when another's record had to wait for it. Then it is passed
    over until it gives one, which is taken as late as it comes. So do the streams of Kafka (KIP-353
    and KIP-695, `max.task.idle.ms`).

    What has been read and not yet given lies in memory, and is bounded for each partition. It is
    not in `positions`: whoever goes on from those reads it again.
    """

    def __init__(
        self, partitions: Partitions, *, clock: Clock, wait_seconds: float, topic: str = ""
    ) -> None:
        """topic: for the log."""
        self._partitions = partitions
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._topic = topic
        self._queues: dict[int, deque[Any]] = {}
        self._bytes: dict[int, int] = {}
        # Partitions that others' records wait for -> since when, in monotonic seconds.
        self._waited_since: dict[int, float] = {}
        self._idle: set[int] = set()
        self._told: set[int] = set()
        # Those of them whose leader has some -> likewise; infinity once that was said.
        self._late_since: dict[int, float] = {}
        self._polled_at = clock.monotonic()

    @property
    def positions(self) -> Mapping[int, int]:
        """partition -> offset of the record that is given next, of every partition known so far."""
        return {
            partition: self._queues[partition][0].offset
            if self._queues.get(partition)
            else position
            for partition, position in self._partitions.positions.items()
        }

    def seek(self, positions: Mapping[int, int]) -> None:
        """The next record of each partition is that one, or its earliest."""
        self._partitions.seek(positions)
        for of_partition in (
            self._queues,
            self._bytes,
            self._waited_since,
            self._idle,
            self._late_since,
        ):
            of_partition.clear()

    def poll(self, *, maximum: int, timeout_seconds: float) -> Sequence[Any]:
        """At most `maximum` records in their order; none if none had its turn within the timeout.

        Raises what the partitions raise, with nothing lost.
        """
        if len(self._partitions.positions) == 1 and not any(self._queues.values()):
            polled = self._partitions.poll(maximum=maximum, timeout_seconds=timeout_seconds)
            if len(self._partitions.positions) == 1:
                return polled[next(iter(polled))] if polled else ()
            self._put(polled)
        if self._clock.monotonic() - self._polled_at > self._wait_seconds:
            # What came meanwhile may not have been fetched yet: their leaders are to be asked.
            self._waited_since |= dict.fromkeys(self._idle, float("-inf"))
            self._idle.clear()
        self._receive(0)
        taken = self._take(maximum)
        if not taken and timeout_seconds > 0:
            self._receive(min(timeout_seconds, self._patience()))
            taken = self._take(maximum)
        self._polled_at = self._clock.monotonic()
        return taken

    def _receive(self, timeout_seconds: float) -> None:
        held = {
            partition
            for partition, queue in self._queues.items()
            if len(queue) >= ENOUGH_RECORDS or self._bytes[partition] >= ENOUGH_BYTES
        }
        if held != set(self._partitions.positions):
            self._put(
                self._partitions.poll(
                    maximum=_POLL_RECORDS, timeout_seconds=timeout_seconds, held=held
                )
            )

    def _put(self, polled: Mapping[int, Sequence[Any]]) -> None:
        for partition, records in polled.items():
            self._queues.setdefault(partition, deque()).extend(records)
            self._bytes[partition] = self._bytes.get(partition, 0) + sum(map(_size, records))
            self._waited_since.pop(partition, None)
            self._idle.discard(partition)
            self._late_since.pop(partition, None)

    def _take(self, maximum: int) -> list[Any]:
        heap = [(_time(queue[0]), partition) for partition, queue in self._queues.items() if queue]
        if not heap or self._has_to_wait():
            return []
        heapify(heap)
        taken: list[Any] = []
        while len(taken) < maximum:
            partition = heap[0][1]
            queue = self._queues[partition]
            record = queue.popleft()
            self._bytes[partition] -= _size(record)
            taken.append(record)
            if not queue:
                # Its next one may be the earliest of all.
                break
            heapreplace(heap, (_time(queue[0]), partition))
        return taken

    def _has_to_wait(self) -> bool:
        """Whether there is a partition without a record that is not to be passed over."""
        now = self._clock.monotonic()
        empty = [
            partition
            for partition in self._partitions.positions
            if not self._queues.get(partition) and partition not in self._idle
        ]
        for partition in empty:
            self._waited_since.setdefault(partition, now)
        overdue = [
            partition
            for partition in empty
            if now - self._waited_since[partition] >= self._wait_seconds
        ]
        if overdue:
            ended = self._partitions.at_end(overdue)
            self._waited_since |= dict.fromkeys(overdue, now)
            for partition in sorted(ended):
                self._pass_over(partition)
            self._tell_late(set(overdue) - ended, now)
        return not self._idle.issuperset(empty)

    def _tell_late(self, partitions: set[int], now: float) -> None:
        """Once: nothing at all is taken while one is waited for."""
        for partition in sorted(partitions):
            since = self._late_since.setdefault(partition, now)
            if now - since < _LONG_SECONDS:
                continue
            self._late_since[partition] = float("inf")
            _log.warning(
                "source.partition_late",
                topic=self._topic,
                partition=partition,
                position=self._partitions.positions[partition],
                waited_seconds=now - since,
            )

    def _pass_over(self, partition: int) -> None:
        self._idle.add(partition)
        self._waited_since.pop(partition, None)
        self._late_since.pop(partition, None)
        # Once loudly: a slow partition is passed over again and again.
        log = _log.debug if partition in self._told else _log.info
        self._told.add(partition)
        log(
            "source.partition_idle",
            topic=self._topic,
            partition=partition,
            positions={str(key): value for key, value in self.positions.items()},
            waited_seconds=self._wait_seconds,
        )

    def _patience(self) -> float:
        """Seconds until a partition may have to be passed over."""
        if not any(self._queues.values()):
            return float("inf")
        now = self._clock.monotonic()
        due = [since + self._wait_seconds - now for since in self._waited_since.values()]
        return max(_LEAST_PATIENCE_SECONDS, min(due, default=float("inf")))


def _time(record: Any) -> int:
    # Old message formats have no timestamp.
    return -1 if record.timestamp is None else int(record.timestamp)


def _size(record: Any) -> int:
    return len(record.value or b"")
