import socket
import threading

import pytest

from adaptd.clock import FakeClock
from adaptd.errors import SourceError, SourceUnavailable
from adaptd.stream.kafka import KafkaSource
from adaptd.stream.schema import Schema


def source(schema: Schema, address: str) -> KafkaSource:
    return KafkaSource(
        schema, bootstrap_servers=(address,), topic="t", group="g", clock=FakeClock()
    )


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_broker_that_is_not_there_is_transient_and_leaves_no_thread_behind(
    schema: Schema, closed_port: int
) -> None:
    threads = threading.active_count()
    opened = source(schema, f"127.0.0.1:{closed_port}")
    with pytest.raises(SourceUnavailable, match=str(closed_port)):
        opened.poll(maximum=1, timeout_seconds=0)
    assert opened.lag() == {}
    opened.close()
    opened.close()
    assert threading.active_count() == threads


def test_an_address_that_is_none_is_permanent(schema: Schema) -> None:
    with pytest.raises(SourceError, match="host:port"):
        source(schema, "127.0.0.1:http").poll(maximum=1, timeout_seconds=0)
