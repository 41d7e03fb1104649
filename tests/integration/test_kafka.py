"""The daemon on a real broker: records in, a release event out, positions its own."""

import json
import signal
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, KafkaProducer

from adaptd.stream.scenario import SCENARIOS, generate
from tests.brokers import make_topic, received
from tests.integration.conftest import STREAM, DaemonMaker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCENARIO = SCENARIOS["sampling-rate"]
DRIFT_AT = 1_600
# Among each hundred records.
POISON = b"{no record"


@pytest.fixture
def topics(kafka_broker: str) -> Iterator[tuple[str, str]]:
    """A topic of records that a sensor fills in the background, and one of releases."""
    records, events = f"records-{uuid.uuid4().hex}", f"releases-{uuid.uuid4().hex}"
    for topic in (records, events):
        make_topic(kafka_broker, topic)
    stop = threading.Event()
    sensor = threading.Thread(target=_send, args=(kafka_broker, records, stop))
    sensor.start()
    yield records, events
    stop.set()
    sensor.join()


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
    (poison,) = received(kafka_broker, f"{records}.dead-letters", 1)
    assert poison.value == POISON
    assert dict(poison.headers)["adaptd-reason"] == b"unreadable"
    assert running.end(signal.SIGTERM) == 0


def _send(broker: str, topic: str, stop: threading.Event) -> None:
    producer = KafkaProducer(bootstrap_servers=broker, acks="all")
    first, count = 0, 100
    while not stop.is_set():
        x, y = generate(SCENARIO, seed=0, first=first, count=count, drift_at=DRIFT_AT)
        for place, label in enumerate(y):
            record = {
                "id": str(first + place),
                "x": x[place].tolist(),
                "target": SCENARIO.classes[label],
            }
            producer.send(topic, json.dumps(record).encode())
        producer.send(topic, POISON)
        producer.flush()
        first += count
        time.sleep(0.25)
    producer.close()
