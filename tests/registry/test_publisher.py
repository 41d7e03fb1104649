"""Events reach a file or a topic."""

import json
import socket
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adaptd.clock import FakeClock
from adaptd.errors import TransientError
from adaptd.registry.publisher import FilePublisher, KafkaPublisher, envelope
from adaptd.store.outbox import Event
from adaptd.stream.kafka_connection import Cluster
from tests.brokers import received

NOW = FakeClock().now()


def _event(number: int) -> Event:
    return Event(f"{number:026d}", "pump", "release", {"number": number}, NOW)


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_envelope_says_what_happened_when_and_to_which_stream() -> None:
    document = envelope(_event(2))
    assert datetime.fromisoformat(document.pop("time")) == NOW
    assert document == {
        "schema_version": 1,
        "id": f"{2:026d}",
        "stream": "pump",
        "kind": "release",
        "data": {"number": 2},
    }


def test_a_file_gets_a_line_for_each_event(tmp_path: Path) -> None:
    path = tmp_path / "made" / "events.jsonl"
    for number in range(3):
        publisher = FilePublisher(path)
        publisher.publish(_event(number))
        publisher.close()
    assert _lines(path) == [envelope(_event(number)) for number in range(3)]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 10_000), size=st.integers(0, 9_000))
def test_a_line_that_a_kill_cut_off_is_written_again_whole(
    tmp_path: Path, cut: int, size: int
) -> None:
    path = tmp_path / "events.jsonl"
    path.unlink(missing_ok=True)
    torn = Event("1", "pump", "k", {"text": "x" * size}, NOW)
    FilePublisher(path).publish(_event(0))
    whole = path.stat().st_size
    FilePublisher(path).publish(torn)
    with path.open("r+b") as file:
        file.truncate(min(whole + cut, path.stat().st_size - 1))
    FilePublisher(path).publish(torn)
    assert _lines(path) == [envelope(_event(0)), envelope(torn)]


def test_a_file_that_cannot_be_written_is_transient(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(TransientError, match=r"events\.jsonl: not written"):
        FilePublisher(tmp_path / "events.jsonl").publish(_event(1))


def test_a_full_disk_is_transient(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    with pytest.raises(TransientError, match="not written"):
        FilePublisher(tmp_path / "events.jsonl").publish(_event(1))


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_transient_each_time() -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody answers on this port, and nobody else can take it.
        taken.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{taken.getsockname()[1]}"
        publisher = KafkaPublisher(Cluster((server,)), {"release": "releases"}, timeout_seconds=0.3)
        for _ in range(2):
            with pytest.raises(TransientError, match=rf"{server}: not acknowledged by"):
                publisher.publish(_event(1))
        publisher.close()


@pytest.mark.slow
def test_a_topic_gets_each_event_once_acknowledged_in_order(kafka_broker: str) -> None:
    publisher = KafkaPublisher(Cluster((kafka_broker,)), {"release": "publisher-test.releases"})
    for number in range(3):
        publisher.publish(_event(number))
    publisher.close()
    messages = received(kafka_broker, "publisher-test.releases", 3)
    assert [json.loads(message.value) for message in messages] == [
        envelope(_event(number)) for number in range(3)
    ]
    assert {message.key for message in messages} == {b"pump"}
