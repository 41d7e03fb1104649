import csv
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.config import RecordConfig
from adaptd.errors import SourceError
from adaptd.stream.replay import ReplaySource
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll

SCHEMA = Schema(shape=(1, 3), classes=("calm", "rough"), features=("x0",))
HEADER = ("x0", "x1", "x2", "target", "note")

Row = tuple[object, ...]
Write = Callable[[Path, Sequence[Row]], Path]


def good(records: int) -> list[Row]:
    return [(n, n + 0.25, -n, n % 2, "kept by nobody") for n in range(records)]


def write_csv(directory: Path, rows: Sequence[Row]) -> Path:
    path = directory / "stream.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


def write_parquet(directory: Path, rows: Sequence[Row]) -> Path:
    path = directory / "stream.parquet"
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(HEADER)
    kinds = (pa.float64(), pa.float32(), pa.float64(), pa.int16(), pa.string())
    arrays = [pa.array(c, kind) for c, kind in zip(columns, kinds, strict=True)]
    pq.write_table(pa.table(arrays, names=list(HEADER)), path, row_group_size=7)
    return path


def write_jsonl(directory: Path, rows: Sequence[Row]) -> Path:
    path = directory / "stream.jsonl"
    path.write_bytes(b"".join(map(line_of, rows)))
    return path


def line_of(row: Row) -> bytes:
    *x, target, note = row
    # What a producer writes that has no JSON for it.
    return json.dumps({"id": note, "x": [x], "target": target, "time": 7.5}).encode() + b"\n"


def compressed(write: Write, suffix: str, codec: Literal["gzip", "zstd"]) -> Write:
    def write_it(directory: Path, rows: Sequence[Row]) -> Path:
        plain = write(directory, rows)
        path = plain.with_name(plain.name + suffix)
        with pa.output_stream(str(path), compression=codec) as file:
            file.write(plain.read_bytes())
        return path

    return write_it


@pytest.fixture(
    params=[
        write_csv,
        write_parquet,
        compressed(write_csv, ".gz", "gzip"),
        compressed(write_csv, ".zst", "zstd"),
    ],
    ids=["csv", "parquet", "csv.gz", "csv.zst"],
)
def write(request: pytest.FixtureRequest) -> Write:
    chosen: Write = request.param
    return chosen


def all_polls(source: ReplaySource, maximum: int) -> list[Poll]:
    polls = [source.poll(maximum=maximum, timeout_seconds=0)]
    while not polls[-1].is_exhausted:
        polls.append(source.poll(maximum=maximum, timeout_seconds=0))
    return polls


def reasons(polls: Sequence[Poll]) -> list[tuple[int, str]]:
    return [(reject.offset, reject.reason) for poll in polls for reject in poll.rejects]


@pytest.mark.parametrize("maximum", [1, 4, 7, 100])
def test_rows_come_in_order_however_they_are_polled(
    tmp_path: Path, write: Write, maximum: int
) -> None:
    polls = all_polls(ReplaySource(write(tmp_path, good(20)), SCHEMA), maximum)
    x = np.concatenate([poll.batch.x for poll in polls])
    np.testing.assert_array_equal(x[:, 0, 1], np.arange(20) + 0.25)
    np.testing.assert_array_equal(x[:, 0, 2], -np.arange(20))
    assert x.dtype == np.float32
    assert np.concatenate([poll.batch.target for poll in polls]).tolist() == [0, 1] * 10
    positions = np.concatenate([poll.batch.positions for poll in polls])
    assert positions.tolist() == [[0, row] for row in range(20)]
    assert polls[-1].positions == {0: 20}


@pytest.mark.parametrize("position", [0, 3, 7, 13, 14, 20])
def test_a_seek_goes_on_at_that_row(tmp_path: Path, write: Write, position: int) -> None:
    source = ReplaySource(write(tmp_path, good(20)), SCHEMA)
    source.poll(maximum=9, timeout_seconds=0)
    source.seek({0: position})
    polls = all_polls(source, 5)
    names = [name for poll in polls for name in poll.batch.ids]
    assert names == [str(row) for row in range(position, 20)]


def test_bad_rows_are_set_aside_and_the_rest_goes_on(tmp_path: Path, write: Write) -> None:
    rows: list[Row] = [
        (0, 0, 0, 1, "good"),
        (math.nan, 0, 0, 1, "no number"),
        (1e39, 0, 0, 1, "beyond float32"),
        (None, 0, 0, 1, "nothing"),
        (0, 0, 0, None, "no label"),
        (0, 0, 0, 2, "no such class"),
        (5, 5, 5, 0, "good"),
    ]
    polls = all_polls(ReplaySource(write(tmp_path, rows), SCHEMA), 3)
    assert [name for poll in polls for name in poll.batch.ids] == ["0", "6"]
    assert reasons(polls) == [
        (1, "not-finite"),
        (2, "not-finite"),
        (3, "missing-field"),
        (4, "missing-field"),
        (5, "unknown-class"),
    ]
    payloads = [reject.payload for poll in polls for reject in poll.rejects]
    assert b"2" in payloads[-1]
    assert polls[-1].positions == {0: 7}


def test_rows_that_csv_alone_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "stream.csv"
    lines = [
        b"x0,x1,x2,target",
        b"1,2,3,calm",
        b"1,2,3",
        b"1,2,3,calm,5",
        b"one,2,3,calm",
        b"1_0,2,3,calm",
        b"",
        b"\xff\xfe,2,3,calm",
        b'"' + b"9" * 200_000 + b'",2,3,calm',
        b"4,5,6,1",
    ]
    path.write_bytes(b"\n".join(lines))
    polls = all_polls(ReplaySource(path, SCHEMA), 4)
    assert [name for poll in polls for name in poll.batch.ids] == ["0", "7"]
    assert reasons(polls) == [
        (1, "wrong-shape"),
        (2, "wrong-shape"),
        (3, "wrong-type"),
        (4, "wrong-type"),
        (5, "wrong-type"),
        (6, "unreadable"),
    ]
    payloads = [reject.payload for poll in polls for reject in poll.rejects]
    assert payloads[4] == b"\xff\xfe,2,3,calm"


@given(text=st.text(alphabet='0123456789.,-einfax"\n\r \x00é', max_size=200))
def test_no_csv_text_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "stream.csv"
    path.write_text("x0,x1,x2,target\n" + text, encoding="utf-8", newline="")
    polls = all_polls(ReplaySource(path, SCHEMA), 3)
    rows = sum(len(poll.batch) + len(poll.rejects) for poll in polls)
    assert polls[-1].positions == {0: rows}
    assert all(np.isfinite(poll.batch.x).all() for poll in polls)


def test_a_byte_order_mark_and_spaces_in_the_header_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "stream.csv"
    path.write_bytes(b"\xef\xbb\xbfx0, x1, x2, target\n1, 2, 3, rough\n")
    (poll,) = all_polls(ReplaySource(path, SCHEMA), 10)
    assert poll.batch.target.tolist() == [1]


def test_a_file_without_rows_is_exhausted_at_once(tmp_path: Path, write: Write) -> None:
    poll = ReplaySource(write(tmp_path, []), SCHEMA).poll(maximum=5, timeout_seconds=0)
    assert (len(poll.batch), poll.is_exhausted) == (0, True)


def test_lag_is_what_is_left_where_the_file_says_how_long_it_is(tmp_path: Path) -> None:
    source = ReplaySource(write_parquet(tmp_path, good(20)), SCHEMA)
    source.poll(maximum=5, timeout_seconds=0)
    assert source.lag() == {0: 15}
    assert ReplaySource(write_csv(tmp_path, good(20)), SCHEMA).lag() == {}


def test_positions_of_another_source_are_refused(tmp_path: Path) -> None:
    source = ReplaySource(write_parquet(tmp_path, good(20)), SCHEMA)
    for wrong in ({1: 0}, {0: 21}):
        with pytest.raises(SourceError, match=r"stream\.parquet"):
            source.seek(wrong)


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no parquet")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "columns.csv").write_text("a,b\n1,2\n")
    (tmp_path / "stream.json").write_text("{}")
    (tmp_path / "folder.csv").mkdir()
    for name in (
        "gone.csv",
        "gone.parquet",
        "text.parquet",
        "empty.csv",
        "columns.csv",
        "stream.json",
        "folder.csv",
    ):
        with pytest.raises(SourceError, match=name):
            ReplaySource(tmp_path / name, SCHEMA)


def test_a_column_that_holds_no_numbers_is_named(tmp_path: Path) -> None:
    path = tmp_path / "stream.parquet"
    table = pa.table({"x0": ["1"], "x1": [1.0], "x2": [1.0], "target": [0]})
    pq.write_table(table, path)
    with pytest.raises(SourceError, match="x0 must hold numbers, got string"):
        ReplaySource(path, SCHEMA)


def test_recorded_streams_are_read_as_they_are(shared_directory: Path) -> None:
    path = shared_directory / "streams" / "swap-sis-up.parquet"
    schema = Schema((3, 128), tuple(f"activity-{n}" for n in range(6)), ("x", "y", "z"))
    source = ReplaySource(path, schema)
    source.seek({0: 2_000})
    poll = source.poll(maximum=10, timeout_seconds=0)
    assert poll.rejects == ()
    stored = pq.read_table(path, columns=["x128", "target"]).slice(2_000, 10)
    np.testing.assert_array_equal(poll.batch.x[:, 1, 0], stored["x128"].to_numpy())
    np.testing.assert_array_equal(poll.batch.target, stored["target"].to_numpy())


@pytest.mark.parametrize(
    "write",
    [
        write_jsonl,
        compressed(write_jsonl, ".gz", "gzip"),
        compressed(write_jsonl, ".zst", "zstd"),
    ],
    ids=["plain", "gz", "zst"],
)
@pytest.mark.parametrize("maximum", [1, 4, 100])
def test_json_lines_are_records_as_on_a_topic(tmp_path: Path, write: Write, maximum: int) -> None:
    rows = [(n, n + 0.25, -n, ("calm", "rough")[n % 2], f"r{n}") for n in range(20)]
    source = ReplaySource(write(tmp_path, rows), SCHEMA)
    polls = all_polls(source, maximum)
    assert [name for poll in polls for name in poll.batch.ids] == [f"r{n}" for n in range(20)]
    assert {time for poll in polls for time in poll.batch.timestamps} == {7.5}
    x = np.concatenate([poll.batch.x for poll in polls])
    np.testing.assert_array_equal(x[:, 0, 1], np.arange(20) + 0.25)
    source.seek({0: 17})
    assert list(all_polls(source, 50)[0].batch.ids) == ["r17", "r18", "r19"]


def test_json_lines_that_do_not_fit_are_set_aside_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    lines = [
        b'{"id": 1, "x": [[1, 2, 3]], "target": "calm"}',
        b"",
        b"{no json",
        b'{"id": 2, "x": [[1, 2]], "target": "calm"}',
        b'{"id": 3, "x": [[1, NaN, 3]], "target": "calm"}',
        b'{"id": 4, "x": [[4, 5, 6]], "target": "rough"}\r',
        b'{"id": 5, "x": [[4, 5, 6]], "target": "rough"}',
    ]
    path.write_bytes(b"\n".join(lines))
    (poll,) = all_polls(ReplaySource(path, SCHEMA), 50)
    assert list(poll.batch.ids) == ["1", "4", "5"]
    assert list(poll.batch.timestamps) == [0, 4, 5]
    assert reasons([poll]) == [(1, "unreadable"), (2, "wrong-shape"), (3, "not-finite")]
    assert [reject.payload for reject in poll.rejects] == lines[2:5]


@pytest.mark.parametrize("name", ["stream.jsonl", "stream.csv"])
def test_a_file_that_grows_is_followed_line_by_line(tmp_path: Path, name: str) -> None:
    write = write_csv if name.endswith("csv") else write_jsonl
    rows = [(n, n, n, ("calm", "rough")[n % 2], f"r{n}") for n in range(4)]
    path = write(tmp_path, rows[:2])
    before = path.read_bytes()
    whole = write(tmp_path, rows).read_bytes()
    path.write_bytes(before)
    waited: list[float] = []
    source = ReplaySource(path, SCHEMA, is_followed=True, sleep=waited.append)

    def offsets() -> list[int]:
        poll = source.poll(maximum=10, timeout_seconds=0.5)
        assert not poll.is_exhausted
        return [int(offset) for _, offset in poll.batch.positions]

    assert offsets() == [0, 1]
    assert offsets() == []
    assert waited == [0.5]
    # A line that is half written is not one yet.
    half = len(before) + 5
    with path.open("ab") as file:
        file.write(whole[len(before) : half])
    assert offsets() == []
    with path.open("ab") as file:
        file.write(whole[half:])
    assert offsets() == [2, 3]
    source.seek({0: 3})
    assert offsets() == [3]


def test_what_cannot_grow_line_by_line_is_not_followed(tmp_path: Path) -> None:
    rows: list[Row] = [(1, 2, 3, "calm", "r")]
    for write in (compressed(write_jsonl, ".gz", "gzip"), compressed(write_csv, ".zst", "zstd")):
        path = write(tmp_path, rows)
        with pytest.raises(SourceError, match=rf"{path.name}: follow: "):
            ReplaySource(path, SCHEMA, is_followed=True)
    path = write_parquet(tmp_path, good(2))
    with pytest.raises(SourceError, match="follow: "):
        ReplaySource(path, SCHEMA, is_followed=True)


def test_a_compressed_file_that_is_cut_off_is_damaged(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows: list[Row] = [(*rng.normal(size=3), "calm", f"r{n}") for n in range(5_000)]
    path = compressed(write_jsonl, ".gz", "gzip")(tmp_path, rows)
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(SourceError, match=r"stream\.jsonl\.gz: a damaged file"):
        all_polls(ReplaySource(path, SCHEMA), 1_000)


@pytest.mark.parametrize("name", ["stream.jsonl", "stream.csv"])
def test_a_followed_file_that_is_no_longer_the_same_is_noticed(tmp_path: Path, name: str) -> None:
    write = write_csv if name.endswith("csv") else write_jsonl
    rows: list[Row] = [(n, n, n, "calm", f"r{n}") for n in range(20)]
    path = write(tmp_path, rows)
    source = ReplaySource(path, SCHEMA, is_followed=True, sleep=lambda _seconds: None)
    assert len(source.poll(maximum=50, timeout_seconds=0).batch) == 20
    write(tmp_path, rows[:5])
    with pytest.raises(SourceError, match="has become shorter"):
        source.poll(maximum=50, timeout_seconds=0)
    with pytest.raises(SourceError, match="position 20 lies beyond its 5 rows"):
        ReplaySource(path, SCHEMA, is_followed=True).seek({0: 20})
    source = ReplaySource(path, SCHEMA, is_followed=True, sleep=lambda _seconds: None)
    source.poll(maximum=50, timeout_seconds=0)
    path.rename(tmp_path / "rotated")
    with pytest.raises(SourceError, match="is gone"):
        source.poll(maximum=50, timeout_seconds=0)
    write(tmp_path, rows)
    with pytest.raises(SourceError, match="another file has its name"):
        source.poll(maximum=50, timeout_seconds=0)


def test_a_cell_over_several_lines_of_a_file_that_grows_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "stream.csv"
    path.write_bytes(b'x0,x1,x2,target,note\n1,2,3,calm,"one\n')
    source = ReplaySource(path, SCHEMA, is_followed=True, sleep=lambda _seconds: None)
    assert source.poll(maximum=9, timeout_seconds=0).positions == {0: 0}
    with path.open("ab") as file:
        file.write(b'two"\n4,5,6,rough,\n')
    poll = source.poll(maximum=9, timeout_seconds=0)
    assert (poll.positions, len(poll.batch), poll.rejects) == ({0: 2}, 2, ())
    source.seek({0: 1})
    assert source.poll(maximum=9, timeout_seconds=0).batch.x.tolist() == [[[4, 5, 6]]]


def test_a_row_that_is_no_csv_is_kept_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "stream.csv"
    path.write_bytes(b'x0,x1,x2,target\n1,\r2,3,calm\n1,2,"3\n4",calm\n1,2,3,calm\n')
    polls = all_polls(ReplaySource(path, SCHEMA), 10)
    payloads = [reject.payload for poll in polls for reject in poll.rejects]
    assert payloads == [b"1,\r2,3,calm", b'1,2,"3\n4",calm']
    assert sum(len(poll.batch) for poll in polls) == 1


def test_json_lines_say_what_was_predicted(tmp_path: Path) -> None:
    record = RecordConfig(shape=(1, 2), classes=("calm", "rough"), prediction="said")
    path = tmp_path / "a.jsonl"
    line = {"id": "a", "x": [[1, 2]], "target": "calm", "said": "rough"}
    rows = [line, {**line, "x": 3}, {key: line[key] for key in ("id", "x", "target")}]
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    poll = ReplaySource(path, Schema.of(record)).poll(maximum=9, timeout_seconds=0)
    assert poll.prediction is not None
    assert poll.prediction.tolist() == [1, -1]
    assert len(poll.rejects) == 1
    other = tmp_path / "a.csv"
    other.write_text("x0,x1,target\n1,2,calm\n")
    with pytest.raises(SourceError, match="only JSON lines"):
        ReplaySource(other, Schema.of(record))


def test_where_times_are_needed_a_row_without_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    rows = [line_of((n, n, n, 0, f"r{n}")) for n in range(300)]
    # What does not fit needs none.
    rows[3] = b"spilt\n"
    rows[280] = json.dumps({"id": "a", "x": [[1, 2, 3]], "target": 0}).encode() + b"\n"
    path.write_bytes(b"".join(rows))
    source = ReplaySource(path, SCHEMA, needs_times=True)
    poll = source.poll(maximum=280, timeout_seconds=0)
    assert (len(poll.batch), len(poll.rejects)) == (279, 1)
    with pytest.raises(SourceError, match="row 280 has no time"):
        source.poll(maximum=20, timeout_seconds=0)
    path.write_bytes(rows[280])
    with pytest.raises(SourceError, match="row 0 has no time"):
        ReplaySource(path, SCHEMA, needs_times=True)
