"""A Kafka broker of one's own, as a process on this machine."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kafka import KafkaAdminClient

from benchmarks.recorded import MissingDataError

# Names a folder of Apache Kafka's server jars: `libs` of any unpacked download.
JARS_VARIABLE = "ADAPTD_KAFKA_JARS"

# Hang limits, not measurements: a start takes seconds on an idle machine.
START_SECONDS = 120.0

_CLUSTER_ID = "YWRhcHRkLXRlc3RzLTAwMQ"
_HEAP, _SMALL_HEAP = "-Xmx400m", "-Xmx256m"


class Broker:
    """A broker process. `address` stays the same through `kill` and `start`."""

    def __init__(self, command: Sequence[str], address: str, directory: Path) -> None:
        self.address = address
        self._command = list(command)
        self._log = directory / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the broker answers a client. Raises RuntimeError, with what it said last."""
        self.launch()
        self.await_answer()

    def launch(self) -> None:
        """Starts the process: a node of a cluster answers once others are there."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def await_answer(self) -> None:
        """The rest of `start`."""
        if self._process is None:
            raise RuntimeError(f"the broker at {self.address} was not launched")
        host, _, port = self.address.partition(":")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                admin(self.address).close()
                return
            time.sleep(0.2)
        self.kill()
        log_end = self._log.read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"the broker at {self.address} did not start:\n{log_end}")

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running(broker: Broker) -> Iterator[Broker]:
    """The broker from its start to its end."""
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def jars_in(data: Path) -> Path:
    """Apache Kafka's jars: where the variable says, else in the folder of recorded data.

    Raises MissingDataError without them.
    """
    folder = Path(os.environ.get(JARS_VARIABLE) or data / "kafka" / "libs")
    if not folder.is_dir():
        raise MissingDataError(
            f"no Kafka at {folder}: {JARS_VARIABLE} names the folder `libs` of an unpacked Kafka"
        )
    return folder


def apache(
    jars: Path,
    directory: Path,
    *,
    listeners: Sequence[tuple[str, str]] = (),
    settings: Sequence[str] = (),
    format_options: Sequence[str] = (),
) -> Broker:
    """An Apache Kafka of one node in KRaft mode on a free port, formatted and not started.

    jars: a folder of Kafka's server jars. directory: for its data and its log. listeners: protocol
    and address, beside the plain one. settings: further lines of its properties.
    """
    client, controller = free_ports(2)
    return _node(
        jars,
        directory,
        number=1,
        client=client,
        controllers=[controller],
        listeners=listeners,
        settings=[*_replicas(1), *settings],
        format_options=format_options,
        heap=_HEAP,
    )


def apache_cluster(jars: Path, directory: Path, *, nodes: int) -> list[Broker]:
    """Nodes of one Apache Kafka, each as of `apache`; they are to be launched together.

    A topic has a replica on every node, and a record is acknowledged once all but one have it.
    """
    ports = free_ports(2 * nodes)
    brokers = []
    for place, client in enumerate(ports[:nodes]):
        own = directory / f"node-{place + 1}"
        own.mkdir()
        brokers.append(
            _node(
                jars,
                own,
                number=place + 1,
                client=client,
                controllers=ports[nodes:],
                settings=[
                    *_replicas(nodes),
                    f"default.replication.factor={nodes}",
                    f"min.insync.replicas={max(1, nodes - 1)}",
                    # A node that is killed is taken for gone after these, in ms.
                    "broker.session.timeout.ms=3000",
                    "broker.heartbeat.interval.ms=500",
                ],
                heap=_SMALL_HEAP,
            )
        )
    return brokers


def _replicas(count: int) -> list[str]:
    return [
        f"offsets.topic.replication.factor={count}",
        f"transaction.state.log.replication.factor={count}",
        f"transaction.state.log.min.isr={max(1, count - 1)}",
    ]


def _node(
    jars: Path,
    directory: Path,
    *,
    number: int,
    client: int,
    controllers: Sequence[int],
    listeners: Sequence[tuple[str, str]] = (),
    settings: Sequence[str] = (),
    format_options: Sequence[str] = (),
    heap: str,
) -> Broker:
    """number: from 1. client: port of its plain listener. controllers: ports of all nodes."""
    address = f"127.0.0.1:{client}"
    voters = ",".join(f"{place}@127.0.0.1:{port}" for place, port in enumerate(controllers, 1))
    opened = ",".join(f"{name}://{own}" for name, own in (("PLAINTEXT", address), *listeners))
    names = ",".join(f"{name}:{name}" for name in ("PLAINTEXT", *(name for name, _ in listeners)))
    properties = directory / "server.properties"
    properties.write_text(
        "\n".join(
            (
                "process.roles=broker,controller",
                f"node.id={number}",
                f"controller.quorum.voters={voters}",
                f"listeners=CONTROLLER://127.0.0.1:{controllers[number - 1]},{opened}",
                f"advertised.listeners={opened}",
                "controller.listener.names=CONTROLLER",
                "inter.broker.listener.name=PLAINTEXT",
                f"listener.security.protocol.map=CONTROLLER:PLAINTEXT,{names}",
                f"log.dirs={directory / 'data'}",
                "offsets.topic.num.partitions=1",
                "group.initial.rebalance.delay.ms=0",
                *settings,
                "",
            )
        )
    )
    # Java expands the star itself.
    java = ["java", heap, "-Dorg.slf4j.simpleLogger.logFile=System.out", "-cp", f"{jars}/*"]
    storage = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties)]
    subprocess.run(
        [*java, *storage, *format_options], check=True, capture_output=True, timeout=START_SECONDS
    )
    return Broker([*java, "kafka.Kafka", str(properties)], address, directory)


def admin(address: str) -> KafkaAdminClient:
    """A client that waits for the broker to come up."""
    return KafkaAdminClient(
        bootstrap_servers=address, bootstrap_timeout_ms=int(START_SECONDS * 1_000)
    )


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now, all different."""
    with_sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in with_sockets]
    for opened in with_sockets:
        opened.close()
    return ports
