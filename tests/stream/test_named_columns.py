"""Recordings of tables whose columns have names of their own."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from adaptd.config import RecordConfig
from adaptd.errors import SourceError
from adaptd.stream.replay import ReplaySource
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll

RECORD = {
    "shape": [2],
    "classes": ["calm", "rough"],
    "encoding": "fields",
    "features": ["temperature", "pressure"],
    "target": "label",
    "id": "key",
    "time": "at",
}
# In another order than the features', with one that nobody asked for.
TABLE = pa.table(
    {
        "pressure": pa.array([10, 20, None, 40], pa.int32()),
        "label": ["rough", "calm", "rough", "calm"],
        "note": ["a", "b", "c", "d"],
        "temperature": pa.array([1.5, 2.5, 3.5, None], pa.float64()),
        "key": ["k0", "k1", "k2", "k3"],
        "at": [5.5, 6, 7, 8],
    }
)

Write = Callable[[Path, pa.Table], Path]


def write_csv(directory: Path, table: pa.Table) -> Path:
    path = directory / "plant.csv"
    pyarrow.csv.write_csv(table, path)
    return path


def write_parquet(directory: Path, table: pa.Table) -> Path:
    path = directory / "plant.parquet"
    pq.write_table(table, path)
    return path


def write_jsonl(directory: Path, table: pa.Table) -> Path:
    path = directory / "plant.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in table.to_pylist()))
    return path


def schema(**changes: Any) -> Schema:
    return Schema.of(RecordConfig.model_validate({**RECORD, **changes}))


def polled(path: Path, of: Schema) -> Poll:
    source = ReplaySource(path, of)
    try:
        return source.poll(maximum=100, timeout_seconds=0)
    finally:
        source.close()


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_jsonl])
def test_columns_go_by_the_features_names(tmp_path: Path, write: Write) -> None:
    poll = polled(write(tmp_path, TABLE), schema())
    assert poll.batch.x.tolist() == [[1.5, 10], [2.5, 20]]
    assert poll.batch.target.tolist() == [1, 0]
    assert poll.batch.ids.tolist() == ["k0", "k1"]
    assert poll.batch.timestamps.tolist() == [5.5, 6]
    assert [(reject.offset, reject.reason) for reject in poll.rejects] == [
        (2, "missing-field"),
        (3, "missing-field"),
    ]


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_jsonl])
def test_what_is_missing_has_a_stand_in(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, TABLE)
    poll = polled(path, schema(missing="zero", stand_ins={"temperature": 20}))
    assert poll.batch.x.tolist() == [[1.5, 10], [2.5, 20], [3.5, 0], [20, 40]]
    assert not poll.rejects
    some = polled(path, schema(stand_ins={"temperature": 20}))
    assert some.batch.x.tolist() == [[1.5, 10], [2.5, 20], [20, 40]]
    assert [(reject.offset, reject.reason) for reject in some.rejects] == [(2, "missing-field")]


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_ids_and_times_may_be_absent(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, TABLE.drop_columns(["key", "at"]))
    poll = polled(path, schema(missing="zero"))
    assert poll.batch.ids.tolist() == ["0", "1", "2", "3"]
    assert poll.batch.timestamps.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_column_with_another_name_is_missed(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, TABLE.rename_columns({"temperature": "Temperature"}))
    with pytest.raises(SourceError, match=r"plant.*no column temperature; expected the columns of"):
        ReplaySource(path, schema())


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_jsonl])
def test_rows_have_weights_and_bad_ones_are_refused(tmp_path: Path, write: Write) -> None:
    good, bad = TABLE.slice(0, 1), [0, -1, 1e39]
    table = pa.concat_tables([good] * 6).append_column(
        "w", pa.array([2.5, None, *bad, 3], pa.float64())
    )
    poll = polled(write(tmp_path, table), schema(weight="w"))
    assert poll.batch.weight is not None
    assert poll.batch.weight.dtype == np.float32
    assert poll.batch.weight.tolist() == [2.5, 1, 3]
    assert [(reject.offset, reject.reason) for reject in poll.rejects] == [
        (row, "weight") for row in (2, 3, 4)
    ]
    assert polled(write(tmp_path, table), schema()).batch.weight is None


def test_a_weight_may_be_a_column_beside_numbered_ones(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    rows = ["1,calm,2", "1,calm,", "1,calm, 0.5 ", "1,calm,nan", "1,calm,heavy", "1,calm,1_0"]
    path.write_text("\n".join(["x0,label,a.w", *rows]))
    record = RecordConfig(shape=(1,), classes=("calm", "rough"), target="label", weight="a.w")
    poll = polled(path, Schema.of(record))
    assert poll.batch.weight is not None
    assert poll.batch.weight.tolist() == [2, 1, 0.5]
    assert [reject.reason for reject in poll.rejects] == ["weight"] * 3


def test_a_column_of_weights_holds_numbers(tmp_path: Path) -> None:
    for kind in (pa.int16(), pa.float16()):
        table = TABLE.slice(0, 2).append_column("w", pa.array([2, None], kind))
        batch = polled(write_parquet(tmp_path, table), schema(weight="w")).batch
        assert batch.weight is not None
        assert batch.weight.tolist() == [2, 1]
    nan = TABLE.slice(0, 1).append_column("w", pa.array([np.nan]))
    poll = polled(write_parquet(tmp_path, nan), schema(weight="w"))
    assert [reject.reason for reject in poll.rejects] == ["weight"]
    for odd in (["2", "3"], [True, True]):
        path = write_parquet(tmp_path, TABLE.slice(0, 2).append_column("w", pa.array(odd)))
        with pytest.raises(SourceError, match="column w must hold numbers"):
            ReplaySource(path, schema(weight="w"))


def test_times_are_timestamps_or_text(tmp_path: Path) -> None:
    table = TABLE.slice(0, 2)
    at = [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), None]
    expected = [at[0].timestamp() if at[0] else 0, 1]
    for kind in (pa.timestamp("ns"), pa.timestamp("ms", "Europe/Berlin")):
        timed = table.set_column(5, "at", pa.array(at, kind))
        poll = polled(write_parquet(tmp_path, timed), schema())
        assert poll.batch.timestamps.tolist() == expected
    path = tmp_path / "plant.csv"
    path.write_text(
        "key,at,temperature,pressure,label\n"
        "a,2026-01-01T00:00:00Z,1,2,calm\n"
        ",,1,2,calm\n"
        "c,yesterday,1,2,calm\n"
        "d,1_000,1,2,calm\n"
        "e,nan,1,2,calm\n"
    )
    poll = polled(path, schema())
    assert poll.batch.timestamps.tolist() == expected
    assert poll.batch.ids.tolist() == ["a", "1"]
    assert [reject.reason for reject in poll.rejects] == ["wrong-type", "wrong-type", "not-finite"]


def test_a_numbered_table_has_no_ids_and_times_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text("x0,id,time,label\n1,7,no time at all,calm\n")
    record = RecordConfig(shape=(1,), classes=("calm", "rough"), target="label")
    poll = polled(path, Schema.of(record))
    assert (poll.batch.ids.tolist(), poll.batch.timestamps.tolist()) == (["0"], [0])
    np.testing.assert_array_equal(poll.batch.x, [[1]])
