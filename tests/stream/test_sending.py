"""A recording reaches a topic as records that come out of it as they were."""

import json
import uuid
from pathlib import Path

import numpy as np
import orjson
import pytest
import yaml
from typer.testing import CliRunner

from adaptd.cli.main import app
from adaptd.clock import FakeClock, SystemClock
from adaptd.config import RecordConfig, StreamConfig
from adaptd.stream.kafka import KafkaSource
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.kafka_topic import KafkaTopic
from adaptd.stream.opening import schema_of
from adaptd.stream.replay import ReplaySource
from adaptd.stream.schema import Schema
from adaptd.stream.sending import send
from tests.brokers import make_topic


class Acknowledged:
    def get(self, timeout: float) -> None:
        """At once."""


class Letterbox:
    """Keeps what is sent, and when."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.sent: list[tuple[float, bytes, bytes]] = []

    def send(self, topic: str, *, key: bytes, value: bytes) -> Acknowledged:
        assert topic == "pumps"
        self.sent.append((self._clock.monotonic(), key, value))
        return Acknowledged()


def recording(directory: Path, schema: Schema, times: list[float]) -> Path:
    path = directory / "pumps.jsonl"
    path.write_bytes(
        b"\n".join(
            orjson.dumps(
                {
                    "id": f"r{place}",
                    "x": np.full(schema.shape, place).tolist(),
                    "target": schema.classes[place % 2],
                    "time": time,
                }
            )
            for place, time in enumerate(times)
        )
    )
    return path


def test_records_keep_the_distances_of_their_times(
    tmp_path: Path, schema: Schema, clock: FakeClock
) -> None:
    path = recording(tmp_path, schema, [100, 102, 102, 110])
    letterbox = Letterbox(clock)
    begun = clock.monotonic()
    counts = send(
        ReplaySource(path, schema), letterbox, "pumps", clock=clock, sleep=clock.advance, speed=2
    )
    assert counts == (4, 0)
    assert [at - begun for at, _, _ in letterbox.sent] == [0, 1, 1, 5]
    assert [key for _, key, _ in letterbox.sent] == [b"r0", b"r1", b"r2", b"r3"]


def test_what_is_sent_is_what_the_schema_takes(
    tmp_path: Path, schema: Schema, clock: FakeClock
) -> None:
    path = recording(tmp_path, schema, [100, 102])
    path.write_bytes(path.read_bytes() + b"\n{no record\n")
    letterbox = Letterbox(clock)
    told: list[tuple[int, int]] = []
    counts = send(
        ReplaySource(path, schema),
        letterbox,
        "pumps",
        clock=clock,
        sleep=clock.advance,
        progress=lambda sent, rejected: told.append((sent, rejected)),
    )
    assert counts == (2, 1)
    assert told[-1] == counts
    documents = [schema.parse(value) for _, _, value in letterbox.sent]
    assert [(one.id, one.target, one.time) for one in documents] == [("r0", 0, 100), ("r1", 1, 102)]
    assert (documents[1].x == 1).all()


def test_weights_are_sent_along(tmp_path: Path, clock: FakeClock) -> None:
    record = RecordConfig(shape=(1,), classes=("calm", "rough"), weight="w")
    path = tmp_path / "pumps.csv"
    path.write_text("x0,target,w\n1,calm,0.1\n2,rough,\n")
    letterbox = Letterbox(clock)
    send(
        ReplaySource(path, Schema.of(record)), letterbox, "pumps", clock=clock, sleep=clock.advance
    )
    # As the shortest text of the float32.
    assert [orjson.loads(value)["w"] for _, _, value in letterbox.sent] == [0.1, 1]


def test_it_stops_between_two_records(tmp_path: Path, schema: Schema, clock: FakeClock) -> None:
    path = recording(tmp_path, schema, list(range(10)))
    letterbox = Letterbox(clock)
    counts = send(
        ReplaySource(path, schema),
        letterbox,
        "pumps",
        clock=clock,
        sleep=clock.advance,
        speed=1,
        should_stop=lambda: len(letterbox.sent) >= 3,
    )
    assert counts == (3, 0)


def test_a_table_goes_out_in_the_format_of_its_topic(tmp_path: Path, clock: FakeClock) -> None:
    fields = [
        {"name": "key", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "label", "type": "string"},
        {"name": "heat", "type": "double"},
        {"name": "load", "type": ["null", "float"]},
    ]
    avro = tmp_path / "plant.avsc"
    avro.write_text(json.dumps({"type": "record", "name": "Plant", "fields": fields}))
    table = tmp_path / "plant.csv"
    table.write_text("at,key,load,heat,label\n5.5,a,2,1.25,rough\n6.25,b,,3,calm\n")
    record = {
        "shape": [2],
        "classes": ["calm", "rough"],
        "encoding": "fields",
        "features": ["heat", "load"],
        "id": "key",
        "time": "at",
        "target": "label",
        "missing": "zero",
        "format": "avro",
        "avro": {"schema_file": str(avro)},
    }
    source = {"kind": "kafka", "bootstrap_servers": ["127.0.0.1:9"], "topic": "pumps"}
    stream = {"name": "plant", "source": source, "record": record}
    plant = schema_of(StreamConfig.model_validate(stream))
    letterbox = Letterbox(clock)
    counts = send(ReplaySource(table, plant), letterbox, "pumps", clock=clock, sleep=clock.advance)
    assert counts == (2, 0)
    values = [value for _, _, value in letterbox.sent]
    assert all(value[:5] == bytes(5) for value in values)
    parsed = plant.parse_all(values)
    assert (parsed.ids, parsed.target.tolist()) == (["a", "b"], [1, 0])
    assert parsed.times.tolist() == [5.5, 6.25]
    assert parsed.x.tolist() == [[1.25, 2], [3, 0]]


@pytest.mark.slow
@pytest.mark.xdist_group("kafka")
def test_a_recording_goes_through_a_real_topic(
    tmp_path: Path, schema: Schema, kafka_broker: str
) -> None:
    topic = f"sending-{uuid.uuid4().hex}"
    make_topic(kafka_broker, topic, partitions=2)
    path = recording(tmp_path, schema, [float(second) for second in range(1_200)])
    stream = {
        "name": "pump",
        "source": {"kind": "kafka", "bootstrap_servers": [kafka_broker], "topic": topic},
        "record": {"shape": list(schema.shape), "classes": list(schema.classes)},
    }
    configuration = tmp_path / "pump.yaml"
    configuration.write_text(yaml.safe_dump({"state_directory": "state", "streams": [stream]}))
    called = CliRunner().invoke(app, ["stream", "send", str(path), "-c", str(configuration)])
    assert called.exit_code == 0, called.output
    assert "1,200 records sent" in called.stdout
    source = KafkaSource(
        schema,
        KafkaTopic(Cluster((kafka_broker,)), topic, group="test", clock=SystemClock()),
        clock=SystemClock(),
    )
    ids: set[str] = set()
    while len(ids) < 1_200:
        ids.update(source.poll(maximum=500, timeout_seconds=5).batch.ids)
    source.close()
    assert ids == {f"r{place}" for place in range(1_200)}
