"""librdkafka's mock cluster: brokers in this process that are slow, refuse, move and go away."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from adaptd.stream.kafka_connection import Cluster

# Requests and their errors, by the numbers of the Kafka protocol.
PRODUCE, FETCH, LIST_OFFSETS, OFFSET_COMMIT, FIND_COORDINATOR = 0, 1, 2, 8, 10
UNKNOWN, LEADER_NOT_AVAILABLE, NOT_LEADER, REQUEST_TIMED_OUT = -1, 5, 6, 7
COORDINATOR_LOADING, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR = 14, 15, 16
NOT_ENOUGH_REPLICAS, REBALANCE_IN_PROGRESS = 19, 27

_PRODUCER = 0


def _library() -> ctypes.CDLL:
    """The one that the wheel of `confluent-kafka` brings."""
    try:
        wheel = metadata.distribution("confluent-kafka")
    except metadata.PackageNotFoundError:
        pytest.skip("the mock cluster is in the test extras: pip install confluent-kafka")
    for file in wheel.files or ():
        if Path(file).name.startswith("librdkafka") and ".so" in file.name:
            return ctypes.CDLL(str(file.locate()))
    pytest.skip("this wheel of confluent-kafka has no librdkafka of its own")


@dataclass(frozen=True)
class KnownCluster(Cluster):
    """As ever, but that its clients do not ask the brokers for their version: kafka-python cannot
    read what the mock answers."""

    def _connected(self, client_type: Callable[..., Any], **settings: Any) -> Any:
        return super()._connected(client_type, api_version=(2, 3), **settings)


class MockCluster:
    """Brokers are numbered from 1."""

    def __init__(self, library: ctypes.CDLL, cluster: ctypes.c_void_p) -> None:
        self._library = library
        self._cluster = cluster

    @property
    def cluster(self) -> Cluster:
        """How adaptd is told of it."""
        told: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return KnownCluster(tuple(told.decode().split(",")))

    def make_topic(self, topic: str, *, partitions: int = 1, replicas: int = 1) -> None:
        self._call("topic_create", topic.encode(), partitions, replicas)

    def fail(self, request: int, *errors: int) -> None:
        """Answers the next requests of that kind with these errors, one each."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(errors)), codes
        )

    def set_round_trip(self, broker: int, milliseconds: int) -> None:
        self._call("broker_set_rtt", broker, milliseconds)

    def set_down(self, broker: int) -> None:
        """Hangs up and refuses connections."""
        self._call("broker_set_down", broker)

    def set_up(self, broker: int) -> None:
        self._call("broker_set_up", broker)

    def lead(self, topic: str, broker: int, *, partition: int = 0) -> None:
        """Moves the partition's leadership."""
        self._call("partition_set_leader", topic.encode(), partition, broker)

    def coordinate(self, group: str, broker: int) -> None:
        """Moves the group's coordinator."""
        self._call("coordinator_set", b"group", group.encode(), broker)

    def _call(self, name: str, *arguments: object) -> None:
        error = getattr(self._library, f"rd_kafka_mock_{name}")(self._cluster, *arguments)
        assert error == 0, f"{name}: {error}"


@contextmanager
def mock_cluster(brokers: int) -> Iterator[MockCluster]:
    """A cluster of so many, on free ports of this machine."""
    library = _library()
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    told = ctypes.create_string_buffer(512)
    client = ctypes.c_void_p(
        library.rd_kafka_new(
            _PRODUCER, ctypes.c_void_p(library.rd_kafka_conf_new()), told, ctypes.c_size_t(512)
        )
    )
    assert client.value, told.value
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(client, brokers))
    assert cluster.value
    try:
        yield MockCluster(library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(client)
