"""Recordings in which the device changes and the task stays."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.recorded import recorded
from benchmarks.streams.shift import AFTER_RECORDS, Draw, Records, Samples

SEGMENTS = ("before", "before_check", "after", "after_test")


def swap(name: str, *, shape: tuple[int, ...], classes: int) -> Draw:
    """The recording streams/NAME.parquet. The seed decides which 1,500 of the records after the
    swap a remedy gets; all else is the same for every seed.

    Drawing raises MissingDataError without the file; ValueError if it is of another shape or number
    of classes, or has a segment too small.
    """

    def draw(sequence: np.random.SeedSequence, data: Path) -> Records:
        path = recorded(data, f"streams/{name}.parquet")
        table = pq.read_table(path)
        _check(table, path, shape, classes)
        parts = {
            segment: _samples(table.filter(pc.equal(table["segment"], pa.scalar(segment))), shape)
            for segment in SEGMENTS
        }
        after = parts["after"]
        if len(after) < AFTER_RECORDS:
            raise ValueError(f"{path}: {len(after)} records after, expected {AFTER_RECORDS}")
        chosen = np.random.default_rng(sequence).permutation(len(after))[:AFTER_RECORDS]
        parts["after"] = Samples(after.x[chosen], after.target[chosen])
        return Records(**parts)

    return draw


def _check(table: pa.Table, path: Path, shape: tuple[int, ...], classes: int) -> None:
    metadata = table.schema.metadata or {}
    seen = (metadata.get(b"shape", b"").decode(), metadata.get(b"classes", b"").decode())
    expected = (f"{'x'.join(map(str, shape))} channel-major", str(classes))
    if seen != expected:
        raise ValueError(f"{path}: expected shape and classes {expected}, got {seen}")


def _samples(rows: pa.Table, shape: tuple[int, ...]) -> Samples:
    columns = [rows[f"x{place}"].to_numpy() for place in range(int(np.prod(shape)))]
    x = np.stack(columns, axis=1).astype(np.float32).reshape(rows.num_rows, *shape)
    return Samples(x, rows["target"].to_numpy().astype(np.int64))
