"""`Commits`: tells the broker how far a group has come, for lag dashboards."""

from collections.abc import Mapping
from typing import Any, Protocol

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from adaptd.clock import Clock
from adaptd.errors import SourceError, SourceUnavailable
from adaptd.stream.kafka_connection import Cluster

_log = structlog.get_logger(__name__)

# Seconds between commits: dashboards look no closer.
_INTERVAL_SECONDS = 5.0
# What the last commit may hold a stop up.
_CLOSE_MS = 1_000


class Commits(Protocol):
    """Commits the positions of one topic. Nothing depends on them: failures are logged at debug."""

    def commit(self, positions: Mapping[int, int]) -> None:
        """Sends positions, partition -> next offset, if the last time is a while ago.

        Waits for no answer. The first time it may take a second.
        """
        ...

    def close(self, positions: Mapping[int, int]) -> None:
        """A last commit that waits a second at most."""
        ...


class AdvisoryCommits:
    """Those of a group without members, now and then.

    It has a client of its own, because a consumer that is in a group reads nothing while the
    group's coordinator cannot be found.
    """

    def __init__(self, cluster: Cluster, *, topic: str, group: str, clock: Clock) -> None:
        self._cluster = cluster
        self._topic = topic
        self._group = group
        self._clock = clock
        self._consumer: Any = None
        self._due_at = clock.monotonic()
        # The answer to the latest one, once it is there.
        self._answer: Any = None
        self._committed: dict[int, int] = {}

    def commit(self, positions: Mapping[int, int]) -> None:
        """As in `Commits`; the first time it connects."""
        now = self._clock.monotonic()
        if now < self._due_at:
            return
        self._due_at = now + _INTERVAL_SECONDS
        if self._answer is not None and self._answer.failed():
            # Tried again, also where no record has come since.
            self._failed(self._answer.exception)
        if positions == self._committed:
            return
        self._committed = dict(positions)
        try:
            if self._consumer is None:
                self._consumer = self._cluster.consumer(group=self._group)
            self._answer = self._consumer.commit_async(self._offsets(positions))
        except (KafkaError, SourceError, SourceUnavailable) as error:
            self._failed(error)

    def close(self, positions: Mapping[int, int]) -> None:
        """As in `Commits`; then lets go of the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            consumer.commit(self._offsets(positions), timeout_ms=_CLOSE_MS)
        except KafkaError as error:
            _log.debug("commit.failed", group=self._group, error=str(error))
        consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)

    def _offsets(self, positions: Mapping[int, int]) -> dict[TopicPartition, OffsetAndMetadata]:
        return {
            TopicPartition(self._topic, partition): OffsetAndMetadata(offset)
            for partition, offset in positions.items()
        }

    def _failed(self, error: Exception) -> None:
        self._answer = None
        self._committed = {}
        _log.debug("commit.failed", group=self._group, error=str(error))
