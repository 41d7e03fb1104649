"""A source whose brokers are slow, refuse, move and go away: every record once, and in order."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from adaptd.clock import Clock, FakeClock, SystemClock
from adaptd.errors import SourceUnavailable
from adaptd.stream.kafka import KafkaSource
from adaptd.stream.kafka_topic import KafkaTopic
from adaptd.stream.schema import Schema
from tests.brokers import PATIENCE_SECONDS
from tests.mock_cluster import (
    COORDINATOR_LOADING,
    COORDINATOR_NOT_AVAILABLE,
    FETCH,
    FIND_COORDINATOR,
    LEADER_NOT_AVAILABLE,
    LIST_OFFSETS,
    NOT_COORDINATOR,
    NOT_LEADER,
    OFFSET_COMMIT,
    REBALANCE_IN_PROGRESS,
    REQUEST_TIMED_OUT,
    UNKNOWN,
    MockCluster,
    mock_cluster,
)
from tests.stream.test_kafka import collected, ids, record, until_raised

pytestmark = pytest.mark.slow

TOPIC, GROUP = "records", "readers"


@pytest.fixture
def brokers() -> Iterator[MockCluster]:
    """Three, with a topic of one partition."""
    with mock_cluster(3) as made:
        made.make_topic(TOPIC, replicas=3)
        made.lead(TOPIC, 1)
        yield made


def send(brokers: MockCluster, first: int, end: int) -> None:
    producer = brokers.cluster.producer(timeout_seconds=PATIENCE_SECONDS)
    try:
        sent = [producer.send(TOPIC, record(number)) for number in range(first, end)]
        for future in sent:
            future.get(timeout=PATIENCE_SECONDS)
    finally:
        producer.close()


def source_of(brokers: MockCluster, schema: Schema, clock: Clock | None = None) -> KafkaSource:
    used = clock or SystemClock()
    return KafkaSource(
        schema, KafkaTopic(brokers.cluster, TOPIC, group=GROUP, clock=used), clock=used
    )


def names(first: int, end: int) -> list[str]:
    return [f"r{number}" for number in range(first, end)]


@pytest.mark.parametrize(
    "errors",
    [
        (NOT_LEADER,) * 5,
        (LEADER_NOT_AVAILABLE, NOT_LEADER, UNKNOWN),
        (REQUEST_TIMED_OUT, UNKNOWN, REQUEST_TIMED_OUT),
    ],
    ids=["not-leader", "election", "time-out"],
)
@pytest.mark.parametrize("request_kind", [FETCH, LIST_OFFSETS], ids=["fetch", "offsets"])
def test_refused_requests_cost_no_record(
    brokers: MockCluster, schema: Schema, request_kind: int, errors: tuple[int, ...]
) -> None:
    send(brokers, 0, 50)
    source = source_of(brokers, schema)
    try:
        found = ids(collected(source, 20, maximum=20))
        brokers.fail(request_kind, *errors)
        # Its next poll asks for everything anew.
        source.seek({0: len(found)})
        found += ids(collected(source, 30, maximum=20, is_patient=True))
        send(brokers, 50, 60)
        found += ids(collected(source, 10, is_patient=True))
    finally:
        source.close()
    assert found == names(0, 60)


def test_a_slow_broker_costs_no_record(brokers: MockCluster, schema: Schema) -> None:
    send(brokers, 0, 40)
    for broker in (1, 2, 3):
        brokers.set_round_trip(broker, 800)
    source = source_of(brokers, schema)
    try:
        found = ids(collected(source, 40, maximum=10, is_patient=True))
    finally:
        source.close()
    assert found == names(0, 40)


def test_a_leader_that_moves_and_then_goes_away_costs_no_record(
    brokers: MockCluster, schema: Schema
) -> None:
    send(brokers, 0, 20)
    source = source_of(brokers, schema)
    try:
        found = ids(collected(source, 10, maximum=10))
        for broker, first in ((2, 20), (3, 40)):
            brokers.lead(TOPIC, broker)
            brokers.set_down(broker - 1)
            send(brokers, first, first + 20)
            found += ids(collected(source, first + 20 - len(found), is_patient=True))
    finally:
        source.close()
    assert found == names(0, 60)


def test_all_brokers_away_is_transient_and_told(brokers: MockCluster, schema: Schema) -> None:
    send(brokers, 0, 20)
    source = source_of(brokers, schema)
    try:
        found = ids(collected(source, 10, maximum=10))
        for broker in (1, 2, 3):
            brokers.set_down(broker)
        error = until_raised(
            SourceUnavailable,
            lambda: found.extend(ids([source.poll(maximum=10, timeout_seconds=0.5)])),
        )
        assert TOPIC in str(error)
        for broker in (1, 2, 3):
            brokers.set_up(broker)
        found += ids(collected(source, 20 - len(found), is_patient=True))
        send(brokers, 20, 30)
        found += ids(collected(source, 10, is_patient=True))
    finally:
        source.close()
    assert found == names(0, 30)


def read_through_refusals(
    brokers: MockCluster, source: KafkaSource, clock: FakeClock, error: int
) -> list[str]:
    """Reads 40 records while commits are refused, and then their coordinator moves and goes."""
    brokers.coordinate(GROUP, 2)
    found: list[str] = []
    for number in range(4):
        send(brokers, 10 * number, 10 * number + 10)
        if number == 1:
            brokers.fail(OFFSET_COMMIT, *(error,) * 3)
            brokers.fail(FIND_COORDINATOR, COORDINATOR_NOT_AVAILABLE)
        if number == 2:
            brokers.coordinate(GROUP, 3)
            brokers.set_down(2)
        clock.advance(6)
        found += ids(collected(source, 10, is_patient=True))
    return found


@pytest.mark.parametrize(
    "error", [NOT_COORDINATOR, COORDINATOR_LOADING, REBALANCE_IN_PROGRESS, REQUEST_TIMED_OUT]
)
def test_commits_that_are_refused_hold_no_record_up(
    brokers: MockCluster, schema: Schema, error: int
) -> None:
    clock = FakeClock()
    source = source_of(brokers, schema, clock)
    try:
        assert read_through_refusals(brokers, source, clock, error) == names(0, 40)
    finally:
        source.close()


# Not those after which kafka-python looks for another coordinator: where that one goes away at the
# same moment, the client may find none before it is made anew.
@pytest.mark.parametrize("error", [COORDINATOR_LOADING, REBALANCE_IN_PROGRESS])
def test_a_commit_that_was_refused_comes_later(
    brokers: MockCluster, schema: Schema, error: int
) -> None:
    clock = FakeClock()
    source = source_of(brokers, schema, clock)
    try:
        read_through_refusals(brokers, source, clock, error)
        assert await_committed(brokers, source, clock, 40) == 40
    finally:
        source.close()


def await_committed(
    brokers: MockCluster, source: KafkaSource, clock: FakeClock, position: int
) -> int | None:
    """The group's position once it is the one expected; the last one seen if it never is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen: int | None = None
    while seen != position and time.monotonic() < deadline:
        clock.advance(6)
        source.poll(maximum=1, timeout_seconds=0.2)
        # A new one each time: it too may have asked a broker that has gone away since.
        consumer: KafkaConsumer = brokers.cluster.consumer(group=GROUP)
        with suppress(KafkaError):
            seen = consumer.committed(TopicPartition(TOPIC, 0), timeout_ms=2_000)
        consumer.close(autocommit=False)
    return seen
