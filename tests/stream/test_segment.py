import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from adaptd.errors import ArtifactError
from adaptd.stream.batch import Batch
from adaptd.stream.segment import read_segment, write_segment
from tests.stream.conftest import batch_of


@pytest.mark.parametrize("records", [0, 1, 50])
def test_a_segment_gives_back_what_was_written(tmp_path: Path, records: int) -> None:
    written = batch_of(records, first=7)
    digest, path = write_segment(tmp_path / "segments", written)
    read = read_segment(path, digest)
    for name in ("x", "target", "ids", "timestamps", "positions"):
        expected, seen = getattr(written, name), getattr(read, name)
        np.testing.assert_array_equal(seen, expected)
        assert seen.dtype == expected.dtype
        assert seen.shape == expected.shape
    read.x[:] = 0  # the columns are ordinary arrays, not Arrow's memory


def test_a_segment_is_named_by_its_content(tmp_path: Path) -> None:
    digest, path = write_segment(tmp_path, batch_of(5))
    assert path == tmp_path / f"{digest}.arrow"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert write_segment(tmp_path, batch_of(5)) == (digest, path)
    assert write_segment(tmp_path, batch_of(5, first=1))[0] != digest
    assert len(list(tmp_path.iterdir())) == 2


def test_a_slice_and_its_copy_are_the_same_segment(tmp_path: Path) -> None:
    part = batch_of(20)[5:9]
    copy = Batch.concatenate([part, part[:0]])
    assert write_segment(tmp_path, part)[0] == write_segment(tmp_path, copy)[0]


def test_weights_are_kept_where_there_are_any(tmp_path: Path) -> None:
    weight = np.linspace(0.1, 2, 5, dtype=np.float32)
    digest, path = write_segment(tmp_path, replace(batch_of(5), weight=weight))
    read = read_segment(path, digest)
    np.testing.assert_array_equal(read.weight, weight)
    assert read.weight is not None
    assert read.weight.dtype == np.float32
    assert digest != write_segment(tmp_path, batch_of(5))[0]


def test_a_segment_without_weights_is_what_it_was_before_there_were_any(tmp_path: Path) -> None:
    batch = batch_of(5)
    before = pa.table(
        {
            "x": pa.FixedSizeListArray.from_arrays(pa.array(batch.x.reshape(-1)), 6),
            "target": batch.target,
            "id": pa.array(batch.ids, pa.string()),
            "timestamp": batch.timestamps,
            "partition": batch.positions[:, 0],
            "offset": batch.positions[:, 1],
        },
        metadata={"adaptd": '{"schema_version": 1, "shape": [2, 3]}'},
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, before.schema) as writer:
        writer.write_table(before)
    digest, path = write_segment(tmp_path, batch)
    assert path.read_bytes() == sink.getvalue().to_pybytes()
    assert read_segment(path, digest).weight is None


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    digest, path = write_segment(tmp_path, batch_of(5))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=path.name):
        read_segment(path, digest)


def test_an_absent_segment_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"gone\.arrow"):
        read_segment(tmp_path / "gone.arrow", "0" * 64)


def test_a_file_of_the_right_digest_that_is_no_segment_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    path.write_bytes(b"not arrow")
    with pytest.raises(ArtifactError, match="not a segment"):
        read_segment(path, hashlib.sha256(b"not arrow").hexdigest())


def test_a_segment_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    table = pa.table({"x": [1]}, metadata={"adaptd": '{"schema_version": 2}'})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ArtifactError, match="schema_version must be 1, got 2"):
        read_segment(path, hashlib.sha256(path.read_bytes()).hexdigest())
