import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import count
from pathlib import Path

import fastavro
import numpy as np
import orjson
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from structlog.testing import capture_logs

from adaptd.clock import FakeClock, SystemClock
from adaptd.config import RecordConfig, StreamConfig
from adaptd.errors import SourceError, SourceUnavailable
from adaptd.stream.batch import Batch
from adaptd.stream.blocks import Blocks
from adaptd.stream.kafka import KafkaSource
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.kafka_topic import KafkaTopic
from adaptd.stream.opening import open_source
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll
from tests.brokers import (
    PATIENCE_SECONDS,
    await_partitions,
    make_topic,
    produce,
    running_broker,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kafka")]

_TOPICS = (f"stream-test-{number}" for number in count())


@pytest.fixture
def topic() -> str:
    return next(_TOPICS)


@contextmanager
def opened(
    schema: Schema,
    address: str,
    topic: str,
    *,
    clock: SystemClock | FakeClock | None = None,
    topic_wait_seconds: float = PATIENCE_SECONDS,
    partition_wait_seconds: float = 0.2,
) -> Iterator[KafkaSource]:
    source = KafkaSource(
        schema,
        KafkaTopic(
            Cluster((address,)),
            topic,
            group=f"{topic}-readers",
            clock=clock or SystemClock(),
            topic_wait_seconds=topic_wait_seconds,
            partition_wait_seconds=partition_wait_seconds,
        ),
        clock=clock or SystemClock(),
    )
    try:
        yield source
    finally:
        source.close()


def record(number: int, **changes: object) -> bytes:
    fields = {"id": f"r{number}", "x": [[number] * 3] * 2, "target": "rough"}
    return orjson.dumps({**fields, **changes})


def collected(
    source: KafkaSource, records: int, *, maximum: int = 100, is_patient: bool = False
) -> list[Poll]:
    """Polls until so many records came, good or bad. Patient: goes on where the broker is away."""
    polls: list[Poll] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(len(poll.batch) + len(poll.rejects) for poll in polls) < records:
        assert time.monotonic() < deadline, f"only {polls} came"
        try:
            polls.append(source.poll(maximum=maximum, timeout_seconds=0.5))
        except SourceUnavailable:
            if not is_patient:
                raise
    return polls


def until_raised(kind: type[Exception], act: Callable[[], object]) -> Exception:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            act()
        except kind as error:
            return error
    raise AssertionError(f"no {kind.__name__}")


def ids(polls: list[Poll]) -> list[str]:
    return [name for poll in polls for name in poll.batch.ids]


def test_records_of_all_partitions_come_once_and_a_seek_goes_on_behind_them(
    kafka_broker: str, topic: str, schema: Schema
) -> None:
    make_topic(kafka_broker, topic, partitions=3)
    produce(kafka_broker, topic, [(number % 3, record(number)) for number in range(40)])
    with opened(schema, kafka_broker, topic) as source:
        polls = collected(source, 25, maximum=7)
        assert all(len(poll.batch) <= 7 for poll in polls)
        before = ids(polls)
    with opened(schema, kafka_broker, topic) as source:
        source.seek(polls[-1].positions)
        after = ids(collected(source, 40 - len(before)))
    assert sorted(before + after) == sorted(f"r{number}" for number in range(40))


def test_a_batch_holds_what_was_sent(kafka_broker: str, topic: str, schema: Schema) -> None:
    make_topic(kafka_broker, topic, partitions=2)
    sent_at = time.time()
    produce(
        kafka_broker,
        topic,
        [(1, record(7, time=12.5)), (0, record(8, target="calm")), (1, record(9))],
    )
    with opened(schema, kafka_broker, topic) as source:
        polls = collected(source, 3)
    rows = {
        name: (poll.batch.x[at], poll.batch.target[at], poll.batch.timestamps[at], place)
        for poll in polls
        for at, (name, place) in enumerate(
            zip(poll.batch.ids, poll.batch.positions.tolist(), strict=True)
        )
    }
    np.testing.assert_array_equal(rows["r7"][0], np.full((2, 3), 7, np.float32))
    assert {name: int(row[1]) for name, row in rows.items()} == {"r7": 1, "r8": 0, "r9": 1}
    assert {name: row[3] for name, row in rows.items()} == {
        "r7": [1, 0],
        "r8": [0, 0],
        "r9": [1, 1],
    }
    assert rows["r7"][2] == 12.5
    assert abs(rows["r9"][2] - sent_at) < PATIENCE_SECONDS


def test_bad_records_are_set_aside_with_place_and_reason(
    kafka_broker: str, topic: str, schema: Schema
) -> None:
    make_topic(kafka_broker, topic)
    values = [b"not json", record(1), record(2, x=[1, 2]), None, record(4, target="stormy")]
    produce(kafka_broker, topic, [(0, value) for value in values])
    with opened(schema, kafka_broker, topic) as source:
        polls = collected(source, 5)
    assert ids(polls) == ["r1"]
    rejects = [reject for poll in polls for reject in poll.rejects]
    assert [(reject.offset, reject.reason) for reject in rejects] == [
        (0, "unreadable"),
        (2, "wrong-shape"),
        (3, "unreadable"),
        (4, "unknown-class"),
    ]
    assert rejects[0].payload == b"not json"
    assert polls[-1].positions == {0: 5}


def test_weights_come_with_their_records(kafka_broker: str, topic: str) -> None:
    make_topic(kafka_broker, topic)
    values = [record(0, w=2), record(1, w=0), record(2), record(3, w=0.5)]
    produce(kafka_broker, topic, [(0, value) for value in values])
    weighted = Schema.of(RecordConfig(shape=(2, 3), classes=("calm", "rough"), weight="w"))
    with opened(weighted, kafka_broker, topic) as source:
        polls = collected(source, 4)
    batch = Batch.concatenate([poll.batch for poll in polls])
    assert batch.weight is not None
    assert batch.weight.tolist() == [2, 1, 0.5]
    assert [reject.reason for poll in polls for reject in poll.rejects] == ["weight"]


def test_lag_counts_the_records_that_wait(kafka_broker: str, topic: str, schema: Schema) -> None:
    make_topic(kafka_broker, topic)
    produce(kafka_broker, topic, [(0, record(number)) for number in range(10)])
    with opened(schema, kafka_broker, topic) as source:
        assert source.lag() == {}
        read = sum(len(poll.batch) for poll in collected(source, 4, maximum=4))
        assert source.lag() == {0: 10 - read}


def test_lag_counts_what_was_read_ahead(kafka_broker: str, topic: str, schema: Schema) -> None:
    make_topic(kafka_broker, topic, partitions=2)
    produce(kafka_broker, topic, [(number % 2, record(number)) for number in range(10)])
    with opened(schema, kafka_broker, topic) as source:
        polls = collected(source, 4, maximum=4)
        read = polls[-1].positions
        assert source.lag() == {0: 5 - read[0], 1: 5 - read[1]}


def written_at(address: str, topic: str, times: list[tuple[int, int]]) -> None:
    """Records r0, r1, …: of each its partition and timestamp, in milliseconds."""
    producer = KafkaProducer(bootstrap_servers=address, acks="all", linger_ms=20)
    for number, (partition, at) in enumerate(times):
        producer.send(topic, record(number), partition=partition, timestamp_ms=at)
    producer.flush(timeout=PATIENCE_SECONDS)
    producer.close()


def test_partitions_come_in_the_order_of_their_timestamps_whatever_is_polled(
    kafka_broker: str, topic: str, schema: Schema
) -> None:
    now = int(time.time() * 1_000)
    randomness = np.random.default_rng(3)
    # As of three senders at once: some times are equal, and some jump back. More than one fetch.
    partitions = randomness.integers(0, 3, 6_000).tolist()
    times = (now + np.arange(6_000) // 4 + randomness.integers(-40, 40, 6_000)).tolist()
    make_topic(kafka_broker, topic, partitions=3)
    written_at(kafka_broker, topic, list(zip(partitions, times, strict=True)))
    found = []
    for maximum in (7_000, 256, 37):
        with opened(schema, kafka_broker, topic, partition_wait_seconds=1) as source:
            polls = collected(source, 6_000, maximum=maximum)
        blocks = Blocks(32, ("x",))
        values = [poll.batch.x[:, 0, 0] for poll in polls]
        starts = np.cumsum([0, *map(len, values)])
        found.append(
            [
                (block.first_record, block.values["x"].tolist())
                for start, part in zip(starts, values, strict=False)
                for block in blocks.put(int(start), {"x": part})
            ]
        )
        assert sorted(ids(polls)) == sorted(f"r{number}" for number in range(6_000))
    assert len(found[0]) == 6_000 // 32
    assert found[0] == found[1] == found[2]
    waiting: list[list[tuple[int, int, int]]] = [[], [], []]
    for number, (partition, at) in enumerate(zip(partitions, times, strict=True)):
        waiting[partition].append((at, partition, number))
    expected = list(merge(*(accumulated(of) for of in waiting)))
    first = [int(value) for _, values in found[0] for value in values]
    assert first == [number for *_, number in expected][: len(first)]


def accumulated(records: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """With times that never jump back: a record is not taken before the one before it."""
    latest = np.maximum.accumulate([at for at, *_ in records]).tolist()
    return [(at, *rest) for at, (_, *rest) in zip(latest, records, strict=True)]


def test_a_partition_that_runs_ahead_is_held_and_read_on(
    kafka_broker: str, topic: str, schema: Schema
) -> None:
    now = int(time.time() * 1_000)
    make_topic(kafka_broker, topic, partitions=2)
    # The second one's clock is a minute ahead; both hold more than is read ahead.
    times = [(number % 2, now + number + 60_000 * (number % 2)) for number in range(8_000)]
    written_at(kafka_broker, topic, times)
    with opened(schema, kafka_broker, topic, partition_wait_seconds=1) as source:
        polls = collected(source, 4_000, maximum=300)
        assert source.lag() == {0: 0, 1: 4_000}
        polls += collected(source, 4_000, maximum=300)
    assert ids(polls) == [f"r{number}" for start in (0, 1) for number in range(start, 8_000, 2)]


def test_the_group_learns_how_far_the_source_came(
    kafka_broker: str, topic: str, schema: Schema
) -> None:
    make_topic(kafka_broker, topic)
    produce(kafka_broker, topic, [(0, record(number)) for number in range(3)])

    def read_to_the_end() -> None:
        with opened(schema, kafka_broker, topic) as source:
            collected(source, 3)

    # A broker's first group takes it a moment, and a commit that fails is none of our business.
    consumer = KafkaConsumer(bootstrap_servers=kafka_broker, group_id=f"{topic}-readers")
    deadline = time.monotonic() + PATIENCE_SECONDS
    place = TopicPartition(topic, 0)
    try:
        read_to_the_end()
        while consumer.committed(place) != 3:
            assert time.monotonic() < deadline, "nothing was committed"
            read_to_the_end()
    finally:
        consumer.close(autocommit=False)


def test_an_unknown_topic_is_awaited_then_named_and_never_made(
    kafka_broker: str, topic: str, schema: Schema
) -> None:
    clock = FakeClock()
    with opened(schema, kafka_broker, topic, clock=clock, topic_wait_seconds=30) as source:
        with pytest.raises(SourceUnavailable, match=topic):
            source.poll(maximum=1, timeout_seconds=0.1)
        clock.advance(31)
        with pytest.raises(SourceError, match=topic):
            source.poll(maximum=1, timeout_seconds=0.1)
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker)
    try:
        assert topic not in admin.list_topics()
    finally:
        admin.close()


def test_a_topic_that_is_made_later_is_read(kafka_broker: str, topic: str, schema: Schema) -> None:
    with opened(schema, kafka_broker, topic) as source:
        with pytest.raises(SourceUnavailable):
            source.poll(maximum=1, timeout_seconds=0.1)
        make_topic(kafka_broker, topic)
        produce(kafka_broker, topic, [(0, record(5))])
        assert ids(collected(source, 1, is_patient=True)) == ["r5"]


def test_partitions_that_are_added_later_are_read_from_their_beginning(
    kafka_broker: str, kafka_jars: Path | None, topic: str, schema: Schema
) -> None:
    if kafka_jars is None:
        pytest.skip("Tansu adds no partitions")
    clock = FakeClock()
    make_topic(kafka_broker, topic)
    produce(kafka_broker, topic, [(0, record(1))])
    with opened(schema, kafka_broker, topic, clock=clock) as source:
        assert ids(collected(source, 1)) == ["r1"]
        admin = KafkaAdminClient(bootstrap_servers=kafka_broker)
        admin.create_partitions({topic: 2})
        admin.close()
        await_partitions(kafka_broker, topic, 2)
        produce(kafka_broker, topic, [(1, record(2)), (0, record(3))])
        names: list[str] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(names) < 2:
            assert time.monotonic() < deadline, names
            clock.advance(31)
            names += ids([source.poll(maximum=10, timeout_seconds=0.5)])
        assert sorted(names) == ["r2", "r3"]


def test_deleted_records_are_passed_over_with_a_warning(
    kafka_broker: str, kafka_jars: Path | None, topic: str, schema: Schema
) -> None:
    if kafka_jars is None:
        pytest.skip("Tansu deletes no records")
    make_topic(kafka_broker, topic)
    produce(kafka_broker, topic, [(0, record(number)) for number in range(6)])
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker)
    admin.delete_records({TopicPartition(topic, 0): 4})
    admin.close()
    with opened(schema, kafka_broker, topic) as source, capture_logs() as logs:
        source.seek({0: 1})
        assert ids(collected(source, 2)) == ["r4", "r5"]
    (lost,) = [entry for entry in logs if entry["event"] == "source.records_lost"]
    assert (lost["position"], lost["first_held"]) == (1, 4)


def test_a_position_beyond_the_end_is_an_error(
    kafka_broker: str, kafka_jars: Path | None, topic: str, schema: Schema
) -> None:
    if kafka_jars is None:
        pytest.skip("Tansu takes any offset")
    make_topic(kafka_broker, topic)
    produce(kafka_broker, topic, [(0, record(1))])
    with opened(schema, kafka_broker, topic) as source:
        source.seek({0: 50})
        error = until_raised(SourceError, lambda: source.poll(maximum=1, timeout_seconds=0.5))
    assert topic in str(error)
    assert "50" in str(error)


def test_positions_of_partitions_that_are_not_there_are_an_error(
    kafka_broker: str, topic: str, schema: Schema
) -> None:
    make_topic(kafka_broker, topic)
    with opened(schema, kafka_broker, topic) as source:
        source.seek({0: 0, 3: 10})
        with pytest.raises(SourceError, match=r"\[3\]"):
            source.poll(maximum=1, timeout_seconds=0.5)


def test_a_killed_broker_is_transient_and_reading_goes_on_where_it_was(
    kafka_jars: Path | None, tmp_path: Path, topic: str, schema: Schema
) -> None:
    if kafka_jars is None:
        pytest.skip("Tansu loses its records when it is killed")
    with running_broker(kafka_jars, tmp_path) as broker:
        make_topic(broker.address, topic)
        produce(broker.address, topic, [(0, record(number)) for number in range(5)])
        with opened(schema, broker.address, topic) as source:
            names = ids(collected(source, 3, maximum=3))
            broker.kill()
            # What was fetched ahead may still come first.
            error = until_raised(
                SourceUnavailable,
                lambda: names.extend(ids([source.poll(maximum=3, timeout_seconds=0.5)])),
            )
            assert broker.address in str(error)
            broker.start()
            await_partitions(broker.address, topic, 1)
            produce(broker.address, topic, [(0, record(number)) for number in range(5, 8)])
            names += ids(collected(source, 8 - len(names), is_patient=True))
        assert names == [f"r{number}" for number in range(8)]


def test_a_partition_that_the_client_has_lost_is_found_again(
    schema: Schema, kafka_broker: str, topic: str
) -> None:
    make_topic(kafka_broker, topic, partitions=2)
    produce(kafka_broker, topic, [(0, record(0)), (1, record(1))])
    clock = FakeClock()
    with (
        opened(schema, kafka_broker, topic, clock=clock, partition_wait_seconds=0) as source,
        capture_logs() as logs,
    ):
        polls = collected(source, 2)
        # As it is where a client asks for the other partitions alone.
        source._topic._partitions._consumer.pause(TopicPartition(topic, 1))
        # The records of the other one are not taken before its own.
        for number in (2, 4, 6):
            produce(kafka_broker, topic, [(0, record(number)), (1, record(number + 1))])
            polls.append(source.poll(maximum=100, timeout_seconds=0.5))
            clock.advance(31)
        polls += collected(source, 8 - len(ids(polls)))
    assert ids(polls) == [f"r{n}" for n in range(8)]
    told = [entry for entry in logs if entry["event"] == "source.partitions_stuck"]
    assert [entry["partitions"] for entry in told] == [[1]]


def test_a_lost_partition_that_holds_up_the_others_is_found_though_nobody_writes_any_more(
    schema: Schema, kafka_broker: str, topic: str
) -> None:
    make_topic(kafka_broker, topic, partitions=2)
    produce(kafka_broker, topic, [(0, record(0)), (1, record(1))])
    clock = FakeClock()
    with (
        opened(schema, kafka_broker, topic, clock=clock, partition_wait_seconds=0) as source,
        capture_logs() as logs,
    ):
        polls = collected(source, 2)
        source._topic._partitions._consumer.pause(TopicPartition(topic, 1))
        # The later ones wait for the only one that it still has.
        produce(kafka_broker, topic, [(1, record(2))])
        produce(kafka_broker, topic, [(0, record(number)) for number in range(3, 6)])
        for _ in range(3):
            polls.append(source.poll(maximum=100, timeout_seconds=0.5))
            clock.advance(31)
        polls += collected(source, 6 - len(ids(polls)))
    assert ids(polls) == [f"r{n}" for n in range(6)]
    told = [entry for entry in logs if entry["event"] == "source.partitions_stuck"]
    assert [entry["partitions"] for entry in told] == [[1]]


def test_avro_with_a_prefix_and_a_table_of_named_fields_come_out_of_a_topic(
    kafka_broker: str, topic: str, tmp_path: Path
) -> None:
    fields = [
        {"name": "key", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "state", "type": {"type": "enum", "name": "S", "symbols": ["calm", "rough"]}},
        {"name": "temperature", "type": ["null", "double"]},
        {"name": "pressure", "type": "float"},
    ]
    avro = {"type": "record", "name": "Reading", "fields": fields}
    path = tmp_path / "reading.avsc"
    path.write_text(json.dumps(avro))
    writer = fastavro.parse_schema(avro)

    def message(number: int, **changes: object) -> bytes:
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        row = {"key": f"r{number}", "at": at, "state": "rough", "pressure": number}
        out = io.BytesIO()
        out.write(bytes([0, 0, 0, 0, 42]))
        fastavro.schemaless_writer(out, writer, {**row, "temperature": None, **changes})
        return out.getvalue()

    stream = StreamConfig.model_validate(
        {
            "name": "plant",
            "source": {"kind": "kafka", "bootstrap_servers": [kafka_broker], "topic": topic},
            "record": {
                "shape": [2],
                "classes": ["calm", "rough"],
                "encoding": "fields",
                "features": ["temperature", "pressure"],
                "id": "key",
                "time": "at",
                "target": "state",
                "stand_ins": {"temperature": 21.5},
                "format": "avro",
                "avro": {"schema_file": str(path), "schema_id": 42},
            },
        }
    )
    # Of another id, without the prefix, with more behind it, and from the day after tomorrow.
    good = message(1)
    bad = [bytes([0, 0, 0, 0, 43]) + good[5:], good[5:], good + b"?", message(2 * 86_400)]
    make_topic(kafka_broker, topic)
    values = [good, *bad, message(2, temperature=-3)]
    produce(kafka_broker, topic, [(0, value) for value in values])
    source = open_source(stream, clock=FakeClock(datetime(2026, 1, 1, tzinfo=UTC)))
    assert isinstance(source, KafkaSource)
    try:
        polls = collected(source, 6)
    finally:
        source.close()
    assert ids(polls) == ["r1", "r2"]
    x = [row for poll in polls for row in poll.batch.x.tolist()]
    assert x == [[21.5, 1], [-3, 2]]
    assert polls[-1].batch.timestamps[-1] == datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC).timestamp()
    rejects = [reject for poll in polls for reject in poll.rejects]
    assert [(reject.offset, reject.reason) for reject in rejects] == [
        (1, "unreadable"),
        (2, "unreadable"),
        (3, "unreadable"),
        (4, "time-ahead"),
    ]
    assert rejects[0].payload == bad[0]


def test_a_table_of_named_json_fields_comes_out_of_a_topic(kafka_broker: str, topic: str) -> None:
    features = ("temperature", "payload.pressure")
    table = RecordConfig(
        shape=(2,), classes=("calm", "rough"), encoding="fields", features=features
    )
    make_topic(kafka_broker, topic)
    rows = [
        {"id": "a", "target": "rough", "temperature": 1.5, "payload": {"pressure": 2}},
        {"id": "b", "target": "rough", "temperature": 1.5, "payload": {}},
        {"id": "c", "target": "rough", "temperature": "1.5", "payload": {"pressure": 2}},
        {"id": "d", "target": "calm", "temperature": -1, "payload": {"pressure": 0}},
    ]
    produce(kafka_broker, topic, [(0, orjson.dumps(row)) for row in rows])
    with opened(Schema.of(table), kafka_broker, topic) as source:
        polls = collected(source, 4)
    assert ids(polls) == ["a", "d"]
    assert [row for poll in polls for row in poll.batch.x.tolist()] == [[1.5, 2], [-1, 0]]
    assert [reject.reason for poll in polls for reject in poll.rejects] == [
        "missing-field",
        "wrong-type",
    ]
