"""What goes to a topic is there once it was acknowledged, whatever the brokers do."""

import threading
import time
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, TopicPartition

from adaptd.errors import TransientError
from adaptd.registry.outlet import KafkaOutlet, Message
from tests.brokers import PATIENCE_SECONDS
from tests.mock_cluster import (
    LEADER_NOT_AVAILABLE,
    NOT_ENOUGH_REPLICAS,
    NOT_LEADER,
    PRODUCE,
    REQUEST_TIMED_OUT,
    MockCluster,
    mock_cluster,
)

pytestmark = pytest.mark.slow

TOPIC = "events"


@pytest.fixture
def brokers() -> Iterator[MockCluster]:
    """Three, with a topic of one partition."""
    with mock_cluster(3) as made:
        made.make_topic(TOPIC, replicas=3)
        made.lead(TOPIC, 1)
        yield made


def values(brokers: MockCluster, count: int) -> list[bytes]:
    """The first so many messages of the topic."""
    consumer: KafkaConsumer = brokers.cluster.consumer()
    found: list[bytes] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        place = TopicPartition(TOPIC, 0)
        consumer.assign([place])
        consumer.seek(place, 0)
        while len(found) < count:
            assert time.monotonic() < deadline, found
            for some in consumer.poll(timeout_ms=500).values():
                found += [message.value for message in some]
    finally:
        consumer.close(autocommit=False)
    return found


def send_until_taken(outlet: KafkaOutlet, messages: list[Message]) -> int:
    """As the relay does: again, from the first on; how often it failed."""
    failures = 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            outlet.send(messages)
        except TransientError:
            failures += 1
            assert time.monotonic() < deadline
        else:
            return failures


@pytest.mark.parametrize(
    "errors",
    [(NOT_LEADER,) * 3, (LEADER_NOT_AVAILABLE, REQUEST_TIMED_OUT), (NOT_ENOUGH_REPLICAS,) * 3],
    ids=["not-leader", "election", "replicas"],
)
def test_refused_requests_lose_no_message_and_keep_their_order(
    brokers: MockCluster, errors: tuple[int, ...]
) -> None:
    messages = [Message(TOPIC, b"%d" % number) for number in range(20)]
    outlet = KafkaOutlet(brokers.cluster, timeout_seconds=5)
    try:
        outlet.send(messages[:5])
        brokers.fail(PRODUCE, *errors)
        failures = send_until_taken(outlet, messages[5:])
    finally:
        outlet.close()
    expected = [message.value for message in messages]
    found = values(brokers, len(expected))
    assert list(dict.fromkeys(found)) == expected
    if not failures:
        assert found == expected


def test_a_leader_that_goes_away_loses_no_message(brokers: MockCluster) -> None:
    messages = [Message(TOPIC, b"%d" % number) for number in range(10)]
    outlet = KafkaOutlet(brokers.cluster, timeout_seconds=5)
    try:
        outlet.send(messages[:5])
        brokers.set_down(1)
        before = set(threading.enumerate())
        with pytest.raises(TransientError, match=r"not acknowledged"):
            outlet.send(messages[5:])
        # A producer that was given up must neither send later nor leave its threads.
        assert set(threading.enumerate()) < before
        brokers.lead(TOPIC, 2)
        send_until_taken(outlet, messages[5:])
    finally:
        outlet.close()
    expected = [message.value for message in messages]
    assert list(dict.fromkeys(values(brokers, len(expected)))) == expected
