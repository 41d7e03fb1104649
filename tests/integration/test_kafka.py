"""The daemon on a real broker: records in, a release event out, positions its own."""

import json
import signal
import uuid
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer

from tests.brokers import make_topic, received
from tests.events import validate_event
from tests.integration.conftest import STREAM, DaemonMaker
from tests.integration.sensors import DRIFT_AT, POISON, SCENARIO, sensor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def topics(kafka_broker: str) -> Iterator[tuple[str, str]]:
    """A topic of records that a sensor fills in the background, and one of releases."""
    records, events = f"records-{uuid.uuid4().hex}", f"releases-{uuid.uuid4().hex}"
    for topic in (records, events):
        make_topic(kafka_broker, topic)
    with sensor(kafka_broker, records):
        yield records, events


@pytest.fixture
def halves(kafka_broker: str) -> Iterator[tuple[str, str]]:
    """A topic of records, and one of their labels, which come 300 records later and in disorder."""
    records, labels = f"records-{uuid.uuid4().hex}", f"labels-{uuid.uuid4().hex}"
    make_topic(kafka_broker, records, partitions=2)
    make_topic(kafka_broker, labels)
    with sensor(kafka_broker, records, labels):
        yield records, labels


def test_a_drift_on_kafka_ends_in_a_release_event(
    daemon: DaemonMaker, kafka_broker: str, topics: tuple[str, str]
) -> None:
    records, events = topics
    running = daemon(
        source={"kind": "kafka", "bootstrap_servers": [kafka_broker], "topic": records},
        record={"shape": list(SCENARIO.shape), "classes": list(SCENARIO.classes)},
        publish={"topic": events},
    ).start()
    running.wait_for_event("release.published", number=1)
    running.end(signal.SIGKILL)
    running.start()
    resumed = running.wait_for_event("stream.resumed")
    assert resumed["release"] == 1
    running.wait_for_event("release.published", number=2)
    consumer = KafkaConsumer(
        events,
        bootstrap_servers=kafka_broker,
        auto_offset_reset="earliest",
        consumer_timeout_ms=60_000,
    )
    numbers = []
    for message in consumer:
        event = json.loads(message.value)
        assert event["stream"] == STREAM
        numbers.append(event["data"]["number"])
        if numbers[-1] == 2:
            break
    consumer.close()
    assert sorted(set(numbers)) == [1, 2]
    (watch,) = received(kafka_broker, f"{records}.watches", 1)
    begun = json.loads(watch.value)
    validate_event(begun)
    assert (begun["kind"], begun["data"]["state"]) == ("watch", "watching")
    (poison,) = received(kafka_broker, f"{records}.dead-letters", 1)
    assert poison.value == POISON
    assert dict(poison.headers)["adaptd-reason"] == b"unreadable"
    assert running.end(signal.SIGTERM) == 0


def test_labels_of_a_topic_of_their_own_are_joined_and_judged_through_a_kill(
    daemon: DaemonMaker, kafka_broker: str, halves: tuple[str, str]
) -> None:
    records, labels = halves
    running = daemon(
        source={"kind": "kafka", "bootstrap_servers": [kafka_broker], "topic": records},
        record={"shape": list(SCENARIO.shape), "classes": list(SCENARIO.classes)},
        labels={"topic": labels},
    ).start()
    running.wait_for_event("release.published", number=1)
    running.end(signal.SIGKILL)
    running.start()
    assert running.wait_for_event("stream.resumed")["release"] == 1
    alarm = running.wait_for_event("drift.alarm")
    assert alarm["record"] >= DRIFT_AT
    # Of labels there may be a whole poll before the first record.
    letters = received(kafka_broker, f"{records}.dead-letters", 20)
    assert {letter.value for letter in letters} == {POISON}
    assert {dict(letter.headers)["adaptd-source"].decode() for letter in letters} == {
        records,
        labels,
    }
    joined = f'adaptd_labels_total{{fate="joined",stream="{STREAM}"}} '
    (line,) = [line for line in running.fetch("/metrics").splitlines() if line.startswith(joined)]
    assert float(line.split()[-1]) > 0
    assert running.end(signal.SIGTERM) == 0
