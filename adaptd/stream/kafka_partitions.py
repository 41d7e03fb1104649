"""`KafkaPartitions`: what a topic's partitions hold, each from a position that its reader keeps."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from kafka import TopicPartition
from kafka.errors import (
    AuthorizationError,
    InvalidTopicError,
    KafkaConfigurationError,
    KafkaError,
    KafkaTimeoutError,
    LogTruncationError,
    OffsetOutOfRangeError,
    SaslAuthenticationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedVersionError,
)

from adaptd.clock import Clock
from adaptd.errors import SourceError, SourceUnavailable
from adaptd.stream.kafka_connection import ANSWER_MS, Cluster
from adaptd.stream.progress_watch import ProgressWatch

_log = structlog.get_logger(__name__)

# Seconds without a record after which the broker is asked whether it is still there: the client
# itself reconnects in silence.
_SILENCE_SECONDS = 5.0
# Seconds between looks for partitions that were added to the topic.
_PARTITIONS_SECONDS = 30.0
# Seconds between looks for a partition that stands still.
_WATCH_SECONDS = 30.0
# What trying again does not mend. Everything else the client raises is the weather.
_PERMANENT = (
    AuthorizationError,
    InvalidTopicError,
    KafkaConfigurationError,
    LogTruncationError,
    SaslAuthenticationFailedError,
    UnsupportedVersionError,
)


class KafkaPartitions:
    """All partitions of one topic, each in the order of its offsets. They are assigned by hand, so
    no rebalance moves them. Nothing is connected before the first `connect`.

    topic_wait_seconds: how long a topic may be unknown before it counts as misspelt. key: of the
    configuration, that names the topic.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        *,
        clock: Clock,
        topic_wait_seconds: float,
        key: str,
    ) -> None:
        self._cluster = cluster
        self._topic = topic
        self._clock = clock
        self._topic_wait_seconds = topic_wait_seconds
        self._key = key
        self._consumer: Any = None
        # Whether the consumer reads every partition from our positions. If not, the next poll
        # sees to it.
        self._is_assigned = False
        self._positions: dict[int, int] = {}
        self._held: frozenset[int] = frozenset()
        # The partition of which the client may have the rest of what it has given a part of.
        self._begun: int | None = None
        self._unknown_since: float | None = None
        self._heard_at = 0.0
        self._looked_at = 0.0
        self._watch = ProgressWatch(_WATCH_SECONDS)

    @property
    def positions(self) -> Mapping[int, int]:
        """partition -> offset of the record that `poll` gives next, of every partition known so
        far."""
        return self._positions

    def seek(self, positions: Mapping[int, int]) -> None:
        """The next poll starts there; partitions that are not named start at their earliest."""
        self._positions = dict(positions)
        self._is_assigned = False

    def connect(self) -> None:
        """Sees to it that all partitions are read from `positions`, which from then on names them.

        A position that the broker no longer has is moved up, with a warning.
        Raises SourceError for a topic that stays unknown, is not ours to read, or ends before a
        stored position; SourceUnavailable while the broker cannot be reached.
        """
        try:
            self._watch_progress()
            self._connect()
        except KafkaError as error:
            raise self._broken(error) from error

    def poll(
        self, *, maximum: int, timeout_seconds: float, held: Collection[int] = ()
    ) -> Mapping[int, Sequence[Any]]:
        """At most `maximum` records, as kafka-python gives them, by partition; none if none came
        within the timeout. held: partitions to read nothing from, but for the rest of what was
        fetched already. Raises as `connect`."""
        self.connect()
        try:
            self._hold(frozenset(held))
            # First without a time-out: where a response comes in at that moment, the client takes
            # itself for idle, and with a time-out it would sleep for 100 ms beside the records.
            records = self._consumer.poll(timeout_ms=0, max_records=maximum)
            if not records and timeout_seconds > 0:
                records = self._consumer.poll(
                    timeout_ms=int(timeout_seconds * 1_000), max_records=maximum
                )
            self._check_silence(is_silent=not records)
        except OffsetOutOfRangeError as error:
            self._check_out_of_range(error)
            return {}
        except KafkaError as error:
            raise self._broken(error) from error
        return self._taken(records, maximum)

    def at_end(self, partitions: Collection[int]) -> set[int]:
        """Those of them that hold nothing more now, by what their leaders answer; others' records
        wait for these. A client that does not move on although one does hold more is let go of.
        Raises as `connect`."""
        self.connect()
        asked = [TopicPartition(self._topic, number) for number in partitions]
        try:
            ends = self._consumer.end_offsets(asked, timeout_ms=ANSWER_MS)
            # The client's own position also stands behind marks of transactions, which are no
            # records.
            positions = {
                partition.partition: self._consumer.position(partition, timeout_ms=ANSWER_MS)
                for partition in ends
            }
        except KafkaError as error:
            raise self._broken(error) from error
        last = {partition.partition: int(end) for partition, end in ends.items()}
        stuck = self._watch.wait(self._clock.monotonic(), positions=positions, ends=last)
        if stuck:
            self._renew(stuck)
        return {number for number, end in last.items() if positions[number] >= end}

    def ends(self) -> Mapping[int, int]:
        """partition -> offset behind its last message, where that is known. Does not block."""
        if self._consumer is None or not self._is_assigned:
            return {}
        ends = {
            partition: self._consumer.highwater(TopicPartition(self._topic, partition))
            for partition in sorted(self._positions)
        }
        return {partition: end for partition, end in ends.items() if end is not None}

    def close(self) -> None:
        """Lets go of the connections. May be called twice."""
        self._let_go()

    def _hold(self, held: frozenset[int]) -> None:
        """Pauses these, and the others no more."""
        # kafka-python 3.0 never gives what it has of a partition that was paused after a poll had
        # taken a part of it: it goes back to it only where it has read no other one since.
        held -= {self._begun}
        for change, numbers in (
            (self._consumer.pause, held - self._held),
            (self._consumer.resume, self._held - held),
        ):
            change(*(TopicPartition(self._topic, number) for number in numbers))
        self._held = held
        self._watch.pass_over(held)

    def _watch_progress(self) -> None:
        """Lets go of a client that has lost a partition; the next one begins from our positions."""
        now = self._clock.monotonic()
        if not self._is_assigned or not self._watch.is_due(now):
            return
        ends = self._consumer.end_offsets(
            [TopicPartition(self._topic, number) for number in self._positions],
            timeout_ms=ANSWER_MS,
        )
        stuck = self._watch.look(
            now,
            positions={
                number: position
                for number, position in self._positions.items()
                if number not in self._held
            },
            ends={partition.partition: int(end) for partition, end in ends.items()},
        )
        if stuck:
            self._renew(stuck)

    def _renew(self, stuck: Sequence[int]) -> None:
        _log.warning("source.partitions_stuck", topic=self._topic, partitions=list(stuck))
        self._let_go()

    def _let_go(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._is_assigned = False
        self._held, self._begun = frozenset(), None
        self._watch.forget()
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=1_000)

    def _connect(self) -> None:
        if self._consumer is None:
            self._consumer = self._cluster.consumer()
        now = self._clock.monotonic()
        if self._is_assigned and now - self._looked_at >= _PARTITIONS_SECONDS:
            self._looked_at = now
            # Answered from the client's memory, which it renews by itself.
            numbers = self._consumer.partitions_for_topic(self._topic)
            self._is_assigned = numbers == set(self._positions)
        if not self._is_assigned:
            self._assign()

    def _assign(self) -> None:
        """Assigns and seeks every partition. Raises SourceUnavailable before all have a leader."""
        partitions = self._partitions()
        begins = self._consumer.beginning_offsets(partitions, timeout_ms=ANSWER_MS)
        # The client leaves partitions without a leader out, in silence.
        leaderless = sorted(p.partition for p in partitions if p not in begins)
        if leaderless:
            raise SourceUnavailable(f"topic {self._topic}: no leader for partitions {leaderless}")
        gone = sorted(set(self._positions) - {p.partition for p in partitions})
        if gone:
            raise SourceError(
                f"topic {self._topic}: positions are stored for partitions {gone}, which it does "
                "not have. It is another topic of that name: give it a stream name of its own."
            )
        self._consumer.assign(partitions)
        for partition in partitions:
            number, begin = partition.partition, int(begins[partition])
            position = self._positions.get(number, begin)
            if position < begin:
                _log.warning(
                    "source.records_lost",
                    topic=self._topic,
                    partition=number,
                    position=position,
                    first_held=begin,
                )
                position = begin
            self._consumer.seek(partition, position)
            self._positions[number] = position
        self._is_assigned = True
        self._heard_at = self._looked_at = self._clock.monotonic()

    def _partitions(self) -> list[TopicPartition]:
        """Of the topic. Raises `_unknown_topic` while there is none, KafkaError without broker."""
        try:
            self._ask()
        except (KafkaTimeoutError, UnknownTopicOrPartitionError) as error:
            # Tells a broker that is gone from a topic that is unknown. Also, the client does not
            # look for a partition's new leader by itself when it is asked for offsets.
            self._consumer.bootstrap(timeout_ms=ANSWER_MS, refresh=True)
            if self._topic in self._consumer.topics():
                raise SourceUnavailable(f"topic {self._topic}: no leader yet") from error
            raise self._unknown_topic() from error
        self._unknown_since = None
        numbers = self._consumer.partitions_for_topic(self._topic)
        return [TopicPartition(self._topic, number) for number in sorted(numbers)]

    def _ask(self) -> None:
        """Raises KafkaError if broker or topic are not there, within a time limit.

        After it the client knows the topic's partitions; its own question for them has no limit.
        """
        self._consumer.beginning_offsets([TopicPartition(self._topic, 0)], timeout_ms=ANSWER_MS)

    def _check_silence(self, *, is_silent: bool) -> None:
        now = self._clock.monotonic()
        if is_silent and now - self._heard_at < _SILENCE_SECONDS:
            return
        if is_silent:
            self._ask()
        self._heard_at = now

    def _check_out_of_range(self, error: OffsetOutOfRangeError) -> None:
        """Passes over records that are deleted by now. Raises SourceError for a topic made anew."""
        self._is_assigned = False
        positions: Mapping[TopicPartition, int] = error.args[0]
        try:
            begins = self._consumer.beginning_offsets(list(positions), timeout_ms=ANSWER_MS)
        except KafkaError as failure:
            raise self._failure(failure) from failure
        beyond = {p.partition: o for p, o in positions.items() if o >= begins.get(p, o + 1)}
        if beyond:
            raise SourceError(
                f"topic {self._topic}: ends before the stored positions {beyond}. Its records were "
                "deleted or it was made anew: give it a stream name of its own."
            )

    def _unknown_topic(self) -> SourceError | SourceUnavailable:
        now = self._clock.monotonic()
        if self._unknown_since is None:
            self._unknown_since = now
        waited = now - self._unknown_since
        text = f"topic {self._topic} is not known to {self._cluster}"
        if waited < self._topic_wait_seconds:
            return SourceUnavailable(f"{text} yet")
        return SourceError(f"{text}, after {waited:.0f} s. Create it, or correct {self._key}.")

    def _broken(self, error: KafkaError) -> SourceError | SourceUnavailable:
        """The next poll begins anew from our positions, whatever state the client is in."""
        self._is_assigned = False
        return self._failure(error)

    def _failure(self, error: KafkaError) -> SourceError | SourceUnavailable:
        text = f"topic {self._topic} at {self._cluster}: {error}"
        return (SourceError if isinstance(error, _PERMANENT) else SourceUnavailable)(text)

    def _taken(
        self, records: Mapping[TopicPartition, Sequence[Any]], maximum: int
    ) -> dict[int, Sequence[Any]]:
        taken = {partition.partition: of for partition, of in records.items()}
        for number, of_partition in taken.items():
            # Beyond the last record there may be gaps (compaction, transactions), never before it.
            self._positions[number] = of_partition[-1].offset + 1
        # It takes what it has fetched of one partition after that of another.
        is_full = sum(map(len, taken.values())) >= maximum
        self._begun = next(reversed(taken)) if is_full else None
        return taken
