"""A topic of several partitions whose leaders go away while it is read."""

import time
from pathlib import Path

import pytest
from kafka import KafkaProducer

from adaptd.clock import SystemClock
from adaptd.stream.kafka import KafkaSource
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.kafka_topic import KafkaTopic
from adaptd.stream.schema import Schema
from tests.brokers import PATIENCE_SECONDS, leader_of, make_topic, running_cluster
from tests.stream.test_kafka import collected, ids, record

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(600)]

TOPIC, PARTITIONS = "records", 3


def send(servers: list[str], first: int, end: int, *, began: int) -> None:
    """Records, each a millisecond after the one before, over the partitions in turn."""
    producer = KafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        metadata_max_age_ms=1_000,
        delivery_timeout_ms=int(2 * PATIENCE_SECONDS * 1_000),
        max_block_ms=int(PATIENCE_SECONDS * 1_000),
    )
    try:
        sent = [
            producer.send(
                TOPIC, record(number), partition=number % PARTITIONS, timestamp_ms=began + number
            )
            for number in range(first, end)
        ]
        for future in sent:
            future.get(timeout=2 * PATIENCE_SECONDS)
    finally:
        producer.close()


def test_a_partition_that_loses_its_leader_costs_no_record_and_no_place_in_the_order(
    kafka_jars: Path | None, tmp_path: Path, schema: Schema
) -> None:
    if kafka_jars is None:
        pytest.skip("a Tansu is alone")
    began = int(time.time() * 1_000)
    with running_cluster(kafka_jars, tmp_path) as nodes:
        servers = [node.address for node in nodes]
        make_topic(servers[0], TOPIC, partitions=PARTITIONS, replicas=3)
        send(servers, 0, 600, began=began)
        clock = SystemClock()
        # Nobody is passed over because an election takes its time.
        topic = KafkaTopic(
            Cluster(tuple(servers)),
            TOPIC,
            group="readers",
            clock=clock,
            partition_wait_seconds=PATIENCE_SECONDS,
        )
        source = KafkaSource(schema, topic, clock=clock)
        try:
            found = ids(collected(source, 300, maximum=50))
            lost = leader_of(nodes, TOPIC, partition=1)
            lost.kill()
            send(servers, 600, 1_200, began=began)
            # The last of all is waited for by nobody.
            found += ids(collected(source, 1_190 - len(found), maximum=50, is_patient=True))
            lost.start()
            leader_of(nodes, TOPIC, partition=2).kill()
            send(servers, 1_200, 1_800, began=began)
            found += ids(collected(source, 1_790 - len(found), maximum=50, is_patient=True))
        finally:
            source.close()
    assert found == [f"r{number}" for number in range(len(found))]
    assert len(found) >= 1_790
