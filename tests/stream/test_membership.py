"""Members of one group on a real broker."""

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from kafka import TopicPartition

from adaptd.clock import SystemClock
from adaptd.errors import SourceError
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.membership import MemberCommits, Membership
from tests.brokers import PATIENCE_SECONDS, make_topic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PARTITIONS = 3


class Member:
    """A membership, what it holds, and what was taken that it has not let go of."""

    def __init__(self, membership: Membership) -> None:
        self.membership = membership
        self.held: set[str] = set()
        self.taken: set[str] = set()
        self.lost: set[str] = set()
        membership.start()

    def look(self, *, lets_go: bool = True) -> set[str]:
        for change in self.membership.changes():
            if change.kind == "given":
                self.held |= change.topics
                continue
            self.held -= change.topics
            (self.taken if change.kind == "taken" else self.lost).update(change.topics)
        if lets_go:
            for topic in self.taken:
                self.membership.let_go(topic)
            self.taken.clear()
        return self.held


@pytest.fixture(scope="module")
def topics(kafka_broker: str) -> list[str]:
    names = [f"{name}-{uuid.uuid4().hex}" for name in "ab"]
    for name in names:
        make_topic(kafka_broker, name, partitions=PARTITIONS)
    return names


@pytest.fixture
def join(kafka_broker: str, topics: list[str]) -> Iterator[Callable[..., Member]]:
    group = uuid.uuid4().hex
    made: list[Membership] = []

    def make(*, session_seconds: float = 10, instance: str | None = None) -> Member:
        made.append(
            Membership(
                Cluster((kafka_broker,)),
                group,
                topics,
                clock=SystemClock(),
                session_seconds=session_seconds,
                instance=instance,
            )
        )
        return Member(made[-1])

    yield make
    for membership in made:
        membership.close()


def until(is_reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_reached():
        assert time.monotonic() < deadline, "not reached"
        time.sleep(0.02)


def test_topics_move_whole_and_only_once_they_were_let_go_of(
    join: Callable[..., Member], topics: list[str]
) -> None:
    first = join()
    until(lambda: first.look() == set(topics))
    second = join()
    until(lambda: bool(first.look(lets_go=False)) and bool(first.taken))
    # A rebalance takes far less than this, and the topic is not given on.
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert second.look() == set()
        first.look(lets_go=False)
        time.sleep(0.02)
    moved = set(first.taken)
    until(lambda: bool(first.look()) and second.look() == moved)
    assert first.held == set(topics) - moved
    for member in (first, second):
        # What is read is read by others: through every rebalance all partitions stay paused.
        consumer = member.membership._consumer
        (topic,) = member.held
        expected = {TopicPartition(topic, number) for number in range(PARTITIONS)}
        assert consumer.assignment() == consumer.paused() == expected
    first.membership.close()
    until(lambda: second.look() == set(topics))
    assert not second.lost


def test_what_is_read_is_committed_by_the_member(
    join: Callable[..., Member], topics: list[str], kafka_broker: str
) -> None:
    member = join()
    until(lambda: member.look() == set(topics))
    commits = MemberCommits(member.membership, topics[0])
    place = TopicPartition(topics[0], 1)
    asking = Cluster((kafka_broker,)).consumer(group=member.membership._group)
    try:
        commits.commit({1: 5})
        until(lambda: asking.committed(place, timeout_ms=10_000) == 5)
        commits.commit({1: 7})
        commits.close({1: 8})
        member.membership.close()
        until(lambda: asking.committed(place, timeout_ms=10_000) == 8)
    finally:
        asking.close()


def test_who_has_an_instance_name_is_given_its_topics_again(
    join: Callable[..., Member], topics: list[str]
) -> None:
    first, second = join(instance="one", session_seconds=30), join(instance="two")
    until(lambda: len(first.look()) == 1 and len(second.look()) == 1)
    had = set(first.held)
    first.membership.close()
    again = join(instance="one", session_seconds=30)
    until(lambda: len(again.look()) == 1)
    assert again.look() == had
    second.look()
    assert len(second.held) == 1


def test_a_session_time_that_the_broker_does_not_allow_is_told(
    join: Callable[..., Member],
) -> None:
    member = join(session_seconds=1)
    with pytest.raises(SourceError, match=r"members\.session_seconds"):
        until(lambda: bool(member.look()))
