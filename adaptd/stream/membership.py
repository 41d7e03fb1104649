"""`Membership`: this process as a member of a Kafka consumer group, which says what it may read."""

import threading
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from kafka import AsyncConsumerRebalanceListener, TopicPartition
from kafka.errors import (
    AuthorizationError,
    FencedInstanceIdError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnsupportedVersionError,
)
from kafka.structs import OffsetAndMetadata

from adaptd.clock import Clock
from adaptd.errors import SourceError, SourceUnavailable
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.topic_assignor import TopicAssignor

_log = structlog.get_logger(__name__)

# One call of the client. It has to wait in the call while the group is being shared out: an answer
# that comes between two calls is thrown away, and the group begins again.
_POLL_MS = 500
# Who has not asked for changes for so long is stuck: the client is left alone then, and gives the
# membership up by itself after its usual five minutes.
_STUCK_SECONDS = 60.0
# Between tries where no broker answers, and between commits.
_REST_SECONDS = 1.0
_COMMIT_SECONDS = 5.0
# How often it is looked whether what was taken has been let go of.
_LOOK_SECONDS = 0.02
# What leaving, and the last commit, may hold a stop up, each.
_CLOSE_MS = 1_000
# What trying again does not mend, and what to check.
_PERMANENT: dict[type[KafkaError], str] = {
    AuthorizationError: "this user may not join it: check its permissions",
    FencedInstanceIdError: "another process has taken members.instance of this one: every process "
    "needs one of its own",
    InconsistentGroupProtocolError: "it has members that are no adaptd: give source.group a name "
    "that nobody else uses",
    InvalidGroupIdError: "check source.group",
    InvalidSessionTimeoutError: "the broker does not allow members.session_seconds: see its "
    "group.min.session.timeout.ms and group.max.session.timeout.ms",
    SaslAuthenticationFailedError: "check sasl",
    UnsupportedVersionError: "the broker is too old for it",
}

Kind = Literal["given", "taken", "lost"]


@dataclass(frozen=True)
class Change:
    """given: topics that this member is to read from now on. taken: that it has to let go of; the
    group waits for it. lost: that others may be reading already, since the group took this member
    for gone."""

    kind: Kind
    topics: frozenset[str]


class Membership:
    """A member that is given topics and reads nothing: their partitions are paused for good, and
    whoever reads them does so by a consumer of its own, from positions of its own.

    So neither a reader that holds back nor a search of any length costs the membership, and reading
    goes on where the group's coordinator cannot be found. The client has a thread of its own; the
    methods are called from one other thread. `start` connects to nothing yet.
    """

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        topics: Collection[str],
        *,
        clock: Clock,
        session_seconds: float,
        instance: str | None = None,
    ) -> None:
        """session_seconds: how long the group waits for one that is silent. instance: a name that
        outlasts restarts: who comes back under it within that time is given its topics again."""
        self._cluster = cluster
        self._group = group
        self._topics = sorted(set(topics))
        self._clock = clock
        self._session_seconds = session_seconds
        self._instance = instance
        self._listener = _Listener()
        self._consumer: Any = None
        self._asked_at = clock.monotonic()
        self._failure: SourceError | None = None
        self.trouble: str | None = f"group {group} at {cluster}: not joined yet"
        self._positions: dict[str, Mapping[int, int]] = {}
        self._commit_at = float("-inf")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="adaptd-member", daemon=True)

    def start(self) -> None:
        """Begins to take part in the group."""
        self._thread.start()

    def changes(self) -> list[Change]:
        """What has changed since the last call, in order. Does not wait.

        Raises SourceError, with what to check, where the group can never be joined. `trouble` says
        why this process is no member now; None where it is one.
        """
        self._asked_at = self._clock.monotonic()
        if self._failure is not None:
            raise self._failure
        return self._listener.changes()

    def let_go(self, topic: str) -> None:
        """This process no longer reads a topic that was taken: the group may go on."""
        self._positions.pop(topic, None)
        self._listener.let_go(topic)

    def commit(self, topic: str, positions: Mapping[int, int]) -> None:
        """Has the broker told, soon, how far a topic is read, partition -> next offset, for lag
        dashboards. Nothing depends on it. A group takes it from its members alone."""
        self._positions[topic] = dict(positions)

    def close(self) -> None:
        """Leaves the group: others are given its topics at once, or after the session time where
        this member has an instance name. To be called once they have been let go of."""
        self._listener.is_closing = True
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(4 * _CLOSE_MS / 1_000)

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._clock.monotonic() - self._asked_at > _STUCK_SECONDS:
                self._stop.wait(_REST_SECONDS)
                continue
            try:
                if self._consumer is None:
                    self._join()
                self._consumer.poll(timeout_ms=_POLL_MS)
                self._commit()
                if self._consumer.group_metadata().generation_id >= 0:
                    self.trouble = None
            except (KafkaError, SourceUnavailable) as error:
                self._fail(error)
            except SourceError as error:
                self._failure = error
            except Exception as error:  # noqa: BLE001 -- a thread that ends unseen takes over nothing
                self._failure = SourceError(
                    f"group {self._group} at {self._cluster}: the client failed: {error!r}"
                )
            if self._failure is not None:
                break
        self._leave()

    def _fail(self, error: Exception) -> None:
        text = f"group {self._group} at {self._cluster}"
        for kind, advice in _PERMANENT.items():
            if isinstance(error, kind):
                self._failure = SourceError(f"{text}: {advice} ({error})")
                return
        trouble = f"{text}: {error}"
        if trouble != self.trouble:
            _log.warning("members.unavailable", group=self._group, error=str(error))
        self.trouble = trouble
        self._stop.wait(_REST_SECONDS)

    def _join(self) -> None:
        consumer, sleep = self._cluster.member(
            self._group,
            instance=self._instance,
            session_seconds=self._session_seconds,
            assignor=TopicAssignor(lambda: self._listener.held),
        )
        self._listener.attach(consumer, sleep)
        consumer.subscribe(self._topics, listener=self._listener)
        self._consumer = consumer

    def _commit(self) -> None:
        now = self._clock.monotonic()
        if now >= self._commit_at and (offsets := self._offsets()):
            self._commit_at = now + _COMMIT_SECONDS
            self._consumer.commit_async(offsets, callback=self._committed)

    def _committed(self, offsets: object, answer: object) -> None:
        del offsets
        if isinstance(answer, Exception):
            _log.debug("commit.failed", group=self._group, error=str(answer))

    def _offsets(self) -> dict[TopicPartition, OffsetAndMetadata]:
        return {
            TopicPartition(topic, partition): OffsetAndMetadata(offset)
            for topic, positions in list(self._positions.items())
            for partition, offset in positions.items()
        }

    def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            if self._failure is None and (offsets := self._offsets()):
                consumer.commit(offsets, timeout_ms=_CLOSE_MS)
        except KafkaError as error:
            _log.debug("commit.failed", group=self._group, error=str(error))
        try:
            consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)
        except KafkaError as error:
            _log.debug("members.not_left", group=self._group, error=str(error))


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what the group says. It runs on the client's own loop, beside the heartbeats, so it
    does nothing else but wait."""

    def __init__(self) -> None:
        self.held: frozenset[TopicPartition] = frozenset()
        self.is_closing = False
        self._consumer: Any = None
        self._sleep: Callable[[float], Awaitable[None]] | None = None
        self._changes: deque[Change] = deque()
        self._to_let_go: set[str] = set()

    def attach(self, consumer: Any, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._consumer, self._sleep = consumer, sleep

    def changes(self) -> list[Change]:
        """Those since the last call."""
        return [self._changes.popleft() for _ in range(len(self._changes))]

    def let_go(self, topic: str) -> None:
        self._to_let_go.discard(topic)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        for place in assigned:
            # What was paused before stays so through a rebalance; what is new is not yet.
            self._consumer.pause(place)
            self._consumer.seek(place, 0)
        self._note("given", self.held | set(assigned))

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._to_let_go |= self._note("taken", self.held - set(revoked))
        while self._to_let_go and not self.is_closing and self._sleep is not None:
            await self._sleep(_LOOK_SECONDS)

    async def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self._note("lost", self.held - set(lost))

    def _note(self, kind: Kind, held: frozenset[TopicPartition]) -> frozenset[str]:
        before = {place.topic for place in self.held}
        self.held = held
        changed = frozenset(before ^ {place.topic for place in held})
        if changed:
            self._changes.append(Change(kind, changed))
        return changed


class MemberCommits:
    """The positions of one topic, committed by a member."""

    def __init__(self, membership: Membership, topic: str) -> None:
        self._membership = membership
        self._topic = topic

    def commit(self, positions: Mapping[int, int]) -> None:
        """As `AdvisoryCommits.commit`."""
        self._membership.commit(self._topic, positions)

    def close(self, positions: Mapping[int, int]) -> None:
        """The latest ones are committed when the member leaves, if the topic is still its own."""
        self.commit(positions)
