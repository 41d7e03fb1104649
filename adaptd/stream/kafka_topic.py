"""`KafkaTopic`: the messages of a topic in one order, from positions that its reader keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.clock import Clock
from adaptd.stream.advisory_commits import AdvisoryCommits, Commits
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.kafka_partitions import KafkaPartitions
from adaptd.stream.partition_merge import PartitionMerge

# Seconds. A topic that was just created takes a moment to be known everywhere.
_TOPIC_WAIT_SECONDS = 30.0
# Seconds that a partition which has nothing is waited for, where nobody says otherwise.
_PARTITION_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Messages:
    """n messages of a topic, in the order of `PartitionMerge`.

    values: as they came, None for one without. times: float64 [n], POSIX seconds, the broker's.
    places: int64 [n, 2], (partition, offset) of each.
    """

    values: Sequence[bytes | None]
    times: NDArray[np.float64]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)


class KafkaTopic:
    """All partitions of one topic, merged. The group only names the commits, which are advisory.
    Nothing is connected before the first poll.

    commits: how to commit where the group has members; None: as one that has none.
    partition_wait_seconds: as of `PartitionMerge`. topic_wait_seconds, key: as of
    `KafkaPartitions`.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        *,
        group: str,
        clock: Clock,
        commits: Commits | None = None,
        partition_wait_seconds: float = _PARTITION_WAIT_SECONDS,
        topic_wait_seconds: float = _TOPIC_WAIT_SECONDS,
        key: str = "source.topic",
    ) -> None:
        self._clock = clock
        self._partitions = KafkaPartitions(
            cluster, topic, clock=clock, topic_wait_seconds=topic_wait_seconds, key=key
        )
        self._merge = PartitionMerge(
            self._partitions, clock=clock, wait_seconds=partition_wait_seconds, topic=topic
        )
        self._commits: Commits = commits or AdvisoryCommits(
            cluster, topic=topic, group=group, clock=clock
        )

    @property
    def positions(self) -> Mapping[int, int]:
        """partition -> next offset, of every partition known so far."""
        return self._merge.positions

    def seek(self, positions: Mapping[int, int]) -> None:
        """The next poll starts there; partitions that are not named start at their earliest."""
        self._merge.seek(positions)

    def poll(self, *, maximum: int, timeout_seconds: float) -> Messages:
        """At most `maximum` messages; none if none had its turn within the timeout.

        Raises as `KafkaPartitions.connect`.
        """
        self._partitions.connect()
        self._commits.commit(self.positions)
        records = self._merge.poll(maximum=maximum, timeout_seconds=timeout_seconds)
        places = np.empty((len(records), 2), np.int64)
        places[:, 0] = [record.partition for record in records]
        places[:, 1] = [record.offset for record in records]
        return Messages(
            values=[record.value for record in records],
            times=np.array([self._broker_time(record) for record in records], np.float64),
            places=places,
        )

    def lag(self) -> Mapping[int, int]:
        """partition -> messages that wait, where that is known."""
        positions = self.positions
        return {
            partition: max(0, end - positions[partition])
            for partition, end in self._partitions.ends().items()
        }

    def close(self) -> None:
        """Lets go of the connections. May be called twice."""
        self._commits.close(self.positions)
        self._partitions.close()

    def _broker_time(self, record: Any) -> float:
        milliseconds: int | None = record.timestamp
        if milliseconds is None or milliseconds < 0:
            # Old message formats carry no timestamp.
            return self._clock.now().timestamp()
        return milliseconds / 1_000
