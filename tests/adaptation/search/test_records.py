"""The records that a search is run on."""

from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from adaptd.adaptation.samples import samples_of
from adaptd.adaptation.search.job import SearchJob
from adaptd.adaptation.search.records import (
    file_schema,
    known_schema,
    read_records,
    recorded_shape,
    split,
)
from adaptd.clock import Clock, FakeClock, SystemClock
from adaptd.errors import ConfigError, SourceError
from adaptd.stream.scenario import SCENARIOS, generate
from adaptd.stream.schema import Schema
from tests.brokers import make_topic, produce

SCHEMA = file_schema((1, 3), 2)


def _table(rows: int, metadata: dict[str, str] | None = None) -> pa.Table:
    x = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    columns = {f"x{place}": pa.array(x[:, place]) for place in range(3)}
    targets = pa.array([row % 2 for row in range(rows)])
    return pa.table({**columns, "target": targets}, metadata=metadata)


def _read(stream: str, clock: Clock, schema: Schema = SCHEMA, **fields: object) -> np.ndarray:
    job = SearchJob(stream=stream, start="unused:here", **fields)
    return read_records(job, schema, clock=clock).batch.x


def test_the_latest_quarter_is_held_out(clock: FakeClock) -> None:
    job = SearchJob(stream="lag-shift", start="unused:here", records=100)
    trained, held_out = split(read_records(job, SCHEMA, clock=clock).batch)
    assert (len(trained), len(held_out)) == (75, 25)
    assert trained.positions[-1, 1] + 1 == held_out.positions[0, 1]


def test_of_a_scenario_the_records_come_after_its_drift(clock: FakeClock) -> None:
    scenario = SCENARIOS["lag-shift"]
    expected, _ = generate(scenario, seed=3, first=4_000, count=50, drift_at=4_000)
    before, _ = generate(scenario, seed=3, first=4_000, count=50, drift_at=9_000)
    x = _read("lag-shift", clock, records=50, seed=3)
    assert np.array_equal(x, expected)
    assert not np.array_equal(x, before)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_of_a_file_the_latest_are_taken_in_order(
    tmp_path: Path, clock: FakeClock, suffix: str
) -> None:
    path = tmp_path / f"recorded{suffix}"
    table = _table(10_000)
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        lines = [",".join(table.column_names)]
        lines += [",".join(str(row[name]) for name in row) for row in table.to_pylist()]
        path.write_text("\n".join(lines))
    assert len(_read(str(path), clock)) == 10_000
    latest = _read(str(path), clock, records=5_000)
    assert len(latest) == 5_000
    assert latest[0, 0, 0] == 5_000 * 3
    assert latest[-1, 0, 2] == 10_000 * 3 - 1


def test_records_that_do_not_fit_are_left_out_and_counted(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "recorded.csv"
    rows = [f"{row},0,0,{row % 2}" for row in range(20)]
    path.write_text("\n".join(["x0,x1,x2,target", *rows, "1,2,nan,0", "1,2,3,7"]))
    job = SearchJob(stream=str(path), start="unused:here")
    recorded = read_records(job, SCHEMA, clock=clock)
    assert (recorded.name, len(recorded.batch), recorded.rejected) == ("recorded", 20, 2)


def test_a_configured_stream_has_its_own_seed_and_drift_and_no_pace(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "adaptd.yaml"
    path.write_text(
        f"state_directory: {tmp_path / 'state'}\nstreams:\n- name: echoes\n"
        "  source: {kind: scenario, scenario: lag-shift, seed: 5, drift_at: 700, records: 5000,\n"
        "           pace: {records_per_second: 1}}\n"
    )
    expected, _ = generate(SCENARIOS["lag-shift"], seed=5, first=700, count=2_000, drift_at=700)
    assert np.array_equal(_read("echoes", clock, config=path), expected)
    with pytest.raises(ConfigError, match="has no such stream, it has echoes"):
        _read("other", clock, config=path)


def test_a_configured_recording_is_read_to_its_end(tmp_path: Path, clock: FakeClock) -> None:
    recorded = tmp_path / "recorded.parquet"
    pq.write_table(_table(90), recorded)
    path = tmp_path / "adaptd.yaml"
    path.write_text(
        f"state_directory: {tmp_path / 'state'}\nstreams:\n- name: plant\n"
        f"  source: {{kind: replay, path: {recorded}, pace: {{records_per_second: 1}}}}\n"
        "  record: {shape: [1, 3], classes: [up, down]}\n"
    )
    job = SearchJob(stream="plant", config=path, start="unused:here", records=40)
    schema = known_schema(job)
    assert schema is not None
    assert schema.classes == ("up", "down")
    batch = read_records(job, schema, clock=clock).batch
    assert (len(batch), batch.positions[0, 1]) == (40, 50)


def test_weights_stay_with_their_records_in_the_order_of_time(
    tmp_path: Path, clock: FakeClock
) -> None:
    recorded = tmp_path / "recorded.jsonl"
    recorded.write_bytes(
        b"\n".join(
            orjson.dumps(
                {"id": n, "x": [[n, n, n]], "target": n % 2, "time": (7 * n) % 40, "w": n + 1}
            )
            for n in range(40)
        )
    )
    path = tmp_path / "adaptd.yaml"
    path.write_text(
        f"state_directory: {tmp_path / 'state'}\nstreams:\n- name: plant\n"
        f"  source: {{kind: replay, path: {recorded}}}\n"
        "  record: {shape: [1, 3], classes: [up, down], weight: w}\n"
    )
    job = SearchJob(stream="plant", config=path, start="unused:here")
    trained, held_out = split(read_records(job, SCHEMA, clock=clock).batch)
    for batch in (trained, held_out):
        assert (np.diff(batch.timestamps) > 0).all()
        samples = samples_of(batch)
        assert samples.weight is not None
        assert torch.equal(samples.weight, samples.x[:, 0, 0] + 1)


@pytest.mark.slow
@pytest.mark.xdist_group("kafka")
def test_of_a_topic_the_latest_of_all_partitions_are_taken_by_time(
    tmp_path: Path, kafka_broker: str
) -> None:
    topic = f"search-{tmp_path.name}"
    # Partition 1 is sent first and holds the later half of the times.
    make_topic(kafka_broker, topic, partitions=2)
    produce(
        kafka_broker,
        topic,
        [
            (
                1 if number >= 30 else 0,
                orjson.dumps(
                    {"id": number, "x": [[number, 0, 0]], "target": "up", "time": 1_000 + number}
                ),
            )
            for number in (*range(30, 60), *range(30))
        ],
    )
    path = tmp_path / "adaptd.yaml"
    path.write_text(
        f"state_directory: {tmp_path / 'state'}\nstreams:\n- name: plant\n"
        f"  source: {{kind: kafka, bootstrap_servers: ['{kafka_broker}'], topic: {topic}}}\n"
        "  record: {shape: [1, 3], classes: [up, down]}\n"
    )
    x = _read("plant", SystemClock(), config=path, records=40)
    assert x[:, 0, 0].tolist() == list(range(20, 60))


def test_too_few_records_are_refused(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "recorded.parquet"
    pq.write_table(_table(15), path)
    with pytest.raises(ConfigError, match="at least 16 labelled records, got 15"):
        _read(str(path), clock)


def test_an_absent_file_and_an_unknown_stream_are_refused(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(SourceError, match=r"absent\.parquet"):
        _read(str(tmp_path / "absent.parquet"), clock)
    with pytest.raises(ConfigError, match=r"expected one of lag-shift, .*, a path"):
        known_schema(SearchJob(stream="lag-drift", start="unused:here"))


def test_a_file_may_tell_shape_and_classes(tmp_path: Path) -> None:
    path = tmp_path / "recorded.parquet"
    pq.write_table(_table(4, {"shape": "3x128 channel-major", "classes": "6"}), path)
    assert recorded_shape(path) == ((3, 128), 6)
    pq.write_table(_table(4), path)
    assert recorded_shape(path) == (None, None)
    assert recorded_shape(tmp_path / "some.csv") == (None, None)
    assert recorded_shape(tmp_path / "absent.parquet") == (None, None)
