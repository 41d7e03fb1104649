from pathlib import Path
from typing import Any

import pytest

from adaptd.clock import FakeClock
from adaptd.config import StreamConfig
from adaptd.errors import SourceError
from adaptd.stream.delayed_labels import DelayedLabels
from adaptd.stream.kafka import KafkaSource
from adaptd.stream.kafka_labels import KafkaLabels
from adaptd.stream.opening import open_labels, open_source, schema_of
from adaptd.stream.pace import Paced
from adaptd.stream.parsed import Document
from adaptd.stream.replay import ReplaySource
from adaptd.stream.scenario import SCENARIOS
from adaptd.stream.scenario_source import ScenarioSource
from adaptd.stream.timed import Timed

RECORD = {"shape": [1, 2], "classes": ["calm", "rough"]}


def config(source: dict[str, Any], record: dict[str, Any] | None = None) -> StreamConfig:
    return StreamConfig.model_validate({"name": "pumps", "source": source, "record": record})


def test_each_kind_opens_its_source(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x0,x1,target\n1,2,calm\n")
    kafka = {"kind": "kafka", "bootstrap_servers": ["127.0.0.1:9"], "topic": "t"}
    opened = [
        open_source(config({"kind": "scenario"}), clock=FakeClock()),
        open_source(config({"kind": "replay", "path": str(path)}, RECORD), clock=FakeClock()),
        # Nobody listens there: opening waits for no broker.
        open_source(config(kafka, RECORD), clock=FakeClock()),
    ]
    assert [type(source) for source in opened] == [ScenarioSource, ReplaySource, KafkaSource]
    assert opened[1].poll(maximum=5, timeout_seconds=0).batch.x.tolist() == [[[1, 2]]]
    for source in opened:
        source.close()


def test_the_configured_scenario_is_the_one_that_comes() -> None:
    source = open_source(
        config({"kind": "scenario", "scenario": "sampling-rate", "records": 2_000}),
        clock=FakeClock(),
    )
    assert source.schema == SCENARIOS["sampling-rate"].schema
    assert source.poll(maximum=2_000, timeout_seconds=0).is_exhausted


def test_labels_come_from_where_the_configuration_says() -> None:
    kafka = {"kind": "kafka", "bootstrap_servers": ["127.0.0.1:9"], "topic": "t"}
    pace = {"records_per_second": 5}
    late = [
        StreamConfig.model_validate(
            {"name": "a", "source": kafka, "record": RECORD, "labels": {"topic": "classes"}}
        ),
        StreamConfig.model_validate(
            {
                "name": "b",
                "source": {"kind": "scenario", "pace": pace},
                "labels": {"delay_records": 10},
            }
        ),
    ]
    opened = [open_labels(one, clock=FakeClock()) for one in late]
    assert [type(labels) for labels in opened] == [KafkaLabels, DelayedLabels]
    assert opened[1] is not None
    # The records' pace is not the labels' too: they would fall behind.
    poll = opened[1].poll(maximum=500, records={0: 400}, are_records_over=False)
    assert len(poll.labels) == 390
    for labels in opened:
        assert labels is not None
        labels.close()
    assert open_labels(config({"kind": "scenario"}), clock=FakeClock()) is None


def test_a_pace_is_kept() -> None:
    clock = FakeClock()
    pace = {"records_per_second": 5, "from_record": 99}
    source = open_source(config({"kind": "scenario", "pace": pace}), clock=clock)
    assert isinstance(source, Paced)
    assert len(source.poll(maximum=256, timeout_seconds=0).batch) == 99
    assert len(source.poll(maximum=256, timeout_seconds=0).batch) == 0


def test_a_recording_comes_as_fast_as_its_times_say(tmp_path: Path) -> None:
    path = tmp_path / "pumps.jsonl"
    path.write_bytes(
        b"".join(
            b'{"id": "%d", "x": [[1, 2]], "target": "rough", "time": %d}\n' % (row, 20 * row)
            for row in range(9)
        )
    )
    pace = {"speed": 10, "from_record": 3}
    source = open_source(
        config({"kind": "replay", "path": str(path), "pace": pace}, RECORD), clock=FakeClock()
    )
    assert isinstance(source, Timed)
    sizes = [len(source.poll(maximum=9, timeout_seconds=0).batch) for _ in range(3)]
    assert sizes == [3, 1, 0]
    source.close()


def test_a_pace_by_times_needs_times_and_says_so_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "pumps.csv"
    path.write_text("x0,x1,target\n1,2,calm\n")
    source = {"kind": "replay", "path": str(path), "pace": {"speed": 1}}
    with pytest.raises(SourceError, match=r"pumps\.csv: row 0 has no time, .* record\.time"):
        open_source(config(source, RECORD), clock=FakeClock())


def test_a_pace_is_of_one_kind() -> None:
    with pytest.raises(ValueError, match="either records_per_second or speed"):
        config({"kind": "scenario", "pace": {"records_per_second": 5, "speed": 1}})


def test_a_record_description_that_contradicts_the_scenario_is_refused() -> None:
    with pytest.raises(SourceError, match="Leave record out"):
        schema_of(config({"kind": "scenario"}, RECORD))
    lag = SCENARIOS["lag-shift"]
    same = {"shape": list(lag.shape), "classes": list(lag.classes)}
    assert schema_of(config({"kind": "scenario"}, same)) == lag.schema


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match=r"gone\.csv"):
        open_source(config({"kind": "replay", "path": "gone.csv"}, RECORD), clock=FakeClock())


def test_an_avro_schema_is_looked_at_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "reading.avsc"
    path.write_text('{"type": "record", "name": "r", "fields": [{"name": "id", "type": "string"}]}')
    kafka = {"kind": "kafka", "bootstrap_servers": ["127.0.0.1:9"], "topic": "t"}
    record = {**RECORD, "format": "avro", "avro": {"schema_file": str(path)}}
    with pytest.raises(SourceError, match=r"reading\.avsc: the Avro schema has no field target"):
        open_source(config(kafka, record), clock=FakeClock())


def test_a_topic_of_another_format_is_sent_recordings_of_json(tmp_path: Path) -> None:
    kafka = {"kind": "kafka", "bootstrap_servers": ["127.0.0.1:9"], "topic": "t"}
    schema = schema_of(config(kafka, {**RECORD, "format": "arrow"}))
    path = tmp_path / "pumps.jsonl"
    path.write_text('{"id": "a", "x": [[1, 2]], "target": "rough"}\n')
    source = ReplaySource(path, schema)
    batch = source.poll(maximum=5, timeout_seconds=0).batch
    source.close()
    document = Document(batch.ids[0], batch.x[0], int(batch.target[0]), None)
    assert schema.parse(schema.encode(document)).x.tolist() == [[1, 2]]
    assert schema.encode(document)[:4] == b"\xff" * 4
