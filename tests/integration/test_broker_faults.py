"""A daemon whose brokers are killed: every record counts once, and no output is lost."""

import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from benchmarks.broker import Broker
from tests.brokers import (
    PATIENCE_SECONDS,
    leader_of,
    make_topic,
    running_broker,
    running_cluster,
)
from tests.integration.conftest import STREAM, DaemonMaker, RunningDaemon
from tests.integration.recordings import (
    FIRST,
    Recording,
    check_counted_once,
    counted,
    recording,
    stream_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kafka")]

RECORDS = 3_000
MADE = recording(RECORDS)
# Sent before the first fault, until the second, and in all.
STAGES = (1_000, 2_000, RECORDS)
# Records a second, so that a stage goes on while a broker is killed in it.
RATE = 200


@pytest.fixture
def jars(kafka_jars: Path | None) -> Path:
    if kafka_jars is None:
        pytest.skip("Tansu loses its records when it is killed, and has no replicas")
    return kafka_jars


@dataclass
class Sensor:
    """Sends a recording in the background, each of its records once and in order, so many of them
    as are allowed."""

    servers: list[str]
    topic: str
    made: Recording
    allowed: int = STAGES[0]
    failure: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        try:
            self._send(stop)
        except BaseException as error:  # noqa: BLE001  (a thread: for the test to see)
            self.failure = error

    def _send(self, stop: threading.Event) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self.servers,
            acks="all",
            enable_idempotence=True,
            metadata_max_age_ms=1_000,
            delivery_timeout_ms=int(4 * PATIENCE_SECONDS * 1_000),
            max_block_ms=int(PATIENCE_SECONDS * 1_000),
        )
        waiting = []
        for number, line in enumerate(self.made.lines):
            while number >= self.allowed and not stop.is_set():
                time.sleep(0.05)
            if stop.is_set():
                break
            waiting.append(producer.send(self.topic, line.encode(), partition=0))
            if number > FIRST:
                time.sleep(1 / RATE)
        for future in waiting:
            future.get(timeout=4 * PATIENCE_SECONDS)
        producer.close()


@pytest.fixture
def sensor() -> Iterator[Callable[[list[str], str], Sensor]]:
    """Starts a sensor that ends with the test."""
    stop, threads = threading.Event(), []

    def start(servers: list[str], topic: str) -> Sensor:
        made = Sensor(servers, topic, MADE)
        threads.append(threading.Thread(target=made.run, args=(stop,)))
        threads[-1].start()
        return made

    yield start
    stop.set()
    for thread in threads:
        thread.join()


def on_kafka(servers: list[str], topic: str) -> dict[str, object]:
    return {
        "source": {"kind": "kafka", "bootstrap_servers": servers, "topic": topic},
        **stream_of(RECORDS, checkpoint_seconds=0.2),
    }


def wait_for_stage(started: RunningDaemon, stage: int) -> None:
    """Waits until all records up to there have counted."""
    records = stage - sum(offset < stage for offset in MADE.poison)
    started.wait_for(lambda: len(counted(started.state).ids) >= records, name=f"{records} records")


def finish(started: RunningDaemon, sending: Sensor, servers: list[str], topic: str) -> None:
    """Waits until all was read; every record has counted once, and all outputs are there."""
    wait_for_stage(started, RECORDS)
    assert sending.failure is None
    # Offsets are line numbers: the sensor's producer has doubled nothing either.
    offsets = set()
    for message in messages(servers, f"{topic}.dead-letters", until=len(MADE.poison)):
        offsets.add(int(dict(message.headers)["adaptd-offset"]))
    assert offsets == set(MADE.poison)
    (release, *_) = messages(servers, f"{topic}.releases", until=1)
    event = orjson.loads(release.value)
    assert (event["stream"], event["data"]["number"]) == (STREAM, 1)
    assert started.end(signal.SIGTERM) == 0
    check_counted_once(started.state, MADE)


def messages(servers: list[str], topic: str, *, until: int) -> list[Any]:
    """The messages of a topic, from when so many different ones are there."""
    found: dict[Any, Any] = {}
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    consumer = KafkaConsumer(
        topic, bootstrap_servers=servers, auto_offset_reset="earliest", metadata_max_age_ms=1_000
    )
    try:
        while len(found) < until:
            assert time.monotonic() < deadline, f"{topic}: only {len(found)} of {until} came"
            for some in consumer.poll(timeout_ms=500).values():
                for message in some:
                    headers = dict(message.headers)
                    found[headers.get("adaptd-offset", message.value)] = message
    finally:
        consumer.close(autocommit=False)
    return list(found.values())


def test_a_broker_that_is_killed_and_started_again_costs_no_record(
    daemon: DaemonMaker,
    jars: Path,
    tmp_path: Path,
    sensor: Callable[[list[str], str], Sensor],
) -> None:
    topic = f"records-{uuid.uuid4().hex}"
    with running_broker(jars, tmp_path) as broker:
        servers = [broker.address]
        make_topic(broker.address, topic)
        sending = sensor(servers, topic)
        started = daemon(**on_kafka(servers, topic)).start()
        started.wait_for_event("release.published", number=1)
        wait_for_stage(started, STAGES[0])
        for times, stage in enumerate(STAGES[1:], start=1):
            sending.allowed = stage
            broker.kill()
            wait_until_missed(started, times)
            assert started.fetch("/healthz") == "alive\n"
            broker.start()
            wait_for_stage(started, stage)
        finish(started, sending, servers, topic)


def wait_until_missed(started: RunningDaemon, times: int) -> None:
    """Waits until the source was away so often, with records between."""
    started.wait_for(
        lambda: len(started.events("source.unavailable")) >= times, name="a broker that is missed"
    )


@pytest.fixture
def cluster(jars: Path, tmp_path: Path) -> Iterator[list[Broker]]:
    """Three nodes; a topic is on all of them."""
    with running_cluster(jars, tmp_path) as nodes:
        yield nodes


@pytest.mark.timeout(600)
def test_a_cluster_that_loses_leaders_costs_no_record_and_no_event(
    daemon: DaemonMaker,
    cluster: list[Broker],
    sensor: Callable[[list[str], str], Sensor],
) -> None:
    topic = f"records-{uuid.uuid4().hex}"
    servers = [node.address for node in cluster]
    for name in (topic, f"{topic}.releases", f"{topic}.dead-letters"):
        make_topic(servers[0], name, replicas=3)
    sending = sensor(servers, topic)
    started = daemon(**on_kafka(servers, topic)).start()
    started.wait_for_event("initial.training")
    # Whose event is about to come.
    lost = leader_of(cluster, f"{topic}.releases")
    lost.kill()
    started.wait_for_event("release.published", number=1)
    sending.allowed = STAGES[1]
    wait_for_stage(started, STAGES[1])
    lost.start()
    await_replicas(servers, topic, 3)
    sending.allowed = STAGES[2]
    leader_of(cluster, topic).kill()
    finish(started, sending, servers, topic)


def await_replicas(servers: list[str], topic: str, count: int) -> None:
    """Returns when so many replicas are in sync: one more may be lost then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    client = KafkaAdminClient(bootstrap_servers=servers)
    try:
        while True:
            (told,) = client.describe_topics([topic])
            if len(told["partitions"][0]["isr_nodes"]) >= count:
                return
            assert time.monotonic() < deadline, told
            time.sleep(0.5)
    finally:
        client.close()
