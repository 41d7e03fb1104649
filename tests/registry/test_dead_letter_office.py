"""What is set aside reaches its receiver with its own bytes and what is known of it."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from adaptd.clock import FakeClock
from adaptd.errors import TransientError
from adaptd.registry.dead_letter_office import MOST_BYTES, FileOffice, KafkaOffice
from adaptd.registry.dead_letters import DeadLetter
from adaptd.stream.kafka_connection import Cluster
from tests.brokers import received
from tests.events import validate_headers

NOW = FakeClock().now()
BYTES = b"\xff\x00{not json"


def letter(offset: int) -> DeadLetter:
    return DeadLetter("pump", "unreadable", 2, offset, "not JSON: größer", BYTES, NOW)


def test_a_file_gets_a_line_for_each(tmp_path: Path) -> None:
    path = tmp_path / "dead-letters" / "pump.jsonl"
    office = FileOffice(path, sources={"records": "pump.parquet"})
    office.deliver([letter(1), letter(2)])
    office.deliver([letter(3)])
    office.close()
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["offset"] for line in lines] == [1, 2, 3]
    assert lines[0] == {
        "schema_version": 1,
        "source": "pump.parquet",
        "stream": "pump",
        "partition": 2,
        "offset": 1,
        "reason": "unreadable",
        "detail": "not JSON: größer",
        "time": NOW.isoformat(timespec="microseconds"),
        "payload": base64.b64encode(BYTES).decode(),
    }


def test_a_line_that_a_kill_cut_off_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "pump.jsonl"
    office = FileOffice(path, sources={"records": "pump.parquet"})
    office.deliver([letter(1)])
    path.write_bytes(path.read_bytes() + b'{"schema_ver')
    office.deliver([letter(2)])
    assert [json.loads(line)["offset"] for line in path.read_bytes().splitlines()] == [1, 2]


def test_a_file_that_cannot_be_written_is_tried_again_later(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TransientError, match="not written"):
        FileOffice(tmp_path / "file" / "pump.jsonl", sources={"records": "x"}).deliver([letter(1)])


@pytest.mark.slow
@pytest.mark.xdist_group("kafka")
def test_a_topic_gets_the_bytes_as_they_came_and_the_rest_in_headers(kafka_broker: str) -> None:
    office = KafkaOffice(
        Cluster((kafka_broker,)),
        "office-test.dead-letters",
        sources={"records": "pumps", "labels": "pump-faults"},
    )
    office.deliver([letter(1), letter(2)])
    office.deliver([letter(3)])
    office.close()
    messages = received(kafka_broker, "office-test.dead-letters", 3)
    assert {message.value for message in messages} == {BYTES}
    headers = [{name: value.decode() for name, value in message.headers} for message in messages]
    assert [of_one["adaptd-offset"] for of_one in headers] == ["1", "2", "3"]
    validate_headers(headers[0])
    assert headers[0] == {
        "adaptd-schema-version": "1",
        "adaptd-source": "pumps",
        "adaptd-stream": "pump",
        "adaptd-partition": "2",
        "adaptd-offset": "1",
        "adaptd-reason": "unreadable",
        "adaptd-detail": "not JSON: größer",
        "adaptd-time": NOW.isoformat(timespec="microseconds"),
    }


@pytest.mark.slow
@pytest.mark.xdist_group("kafka")
def test_a_record_that_is_too_long_for_a_topic_is_cut_and_says_so(kafka_broker: str) -> None:
    office = KafkaOffice(
        Cluster((kafka_broker,)),
        "office-test.too-long",
        sources={"records": "pumps", "labels": "pump-faults"},
    )
    long = replace(letter(1), payload=b"x" * 3_000_000)
    office.deliver([long, letter(2)])
    office.close()
    cut, whole = received(kafka_broker, "office-test.too-long", 2)
    assert cut.value == long.payload[:MOST_BYTES]
    assert dict(cut.headers)["adaptd-truncated"] == b"3000000"
    assert whole.value == BYTES
    validate_headers({name: value.decode() for name, value in cut.headers})
