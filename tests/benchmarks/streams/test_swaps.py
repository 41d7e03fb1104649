from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.recorded import MissingDataError
from benchmarks.streams.swaps import SEGMENTS, swap

SHAPE = (2, 3)


def _write(folder: Path, *, after: int = 1_600, metadata: dict[str, str] | None = None) -> None:
    """Records whose values are their numbers, so that each can be told."""
    counts = dict(zip(SEGMENTS, (30, 20, after, 40), strict=True))
    total = sum(counts.values())
    columns = {f"x{place}": pa.array(np.arange(total) + place, pa.float32()) for place in range(6)}
    table = pa.table(
        {
            **columns,
            "target": pa.array(np.arange(total) % 4, pa.int16()),
            "segment": pa.array(np.repeat(SEGMENTS, list(counts.values()))).dictionary_encode(),
        }
    ).replace_schema_metadata(metadata or {"shape": "2x3 channel-major", "classes": "4"})
    (folder / "streams").mkdir(exist_ok=True)
    pq.write_table(table, folder / "streams" / "swap-x.parquet")


def test_segments_are_kept_apart_and_channels_in_order(tmp_path: Path) -> None:
    _write(tmp_path)
    records = swap("swap-x", shape=SHAPE, classes=4)(np.random.SeedSequence(0), tmp_path)
    np.testing.assert_array_equal(records.before.x[:, 0, 0], np.arange(30))
    np.testing.assert_array_equal(records.before.x[7], 7 + np.arange(6).reshape(SHAPE))
    np.testing.assert_array_equal(records.before_check.x[:, 0, 0], np.arange(30, 50))
    np.testing.assert_array_equal(records.after_test.x[:, 0, 0], np.arange(1_650, 1_690))
    np.testing.assert_array_equal(records.after.target, records.after.x[:, 0, 0] % 4)


def test_the_seed_decides_which_records_after_the_swap_are_used(tmp_path: Path) -> None:
    _write(tmp_path)
    draw = swap("swap-x", shape=SHAPE, classes=4)
    chosen = [set(draw(np.random.SeedSequence(s), tmp_path).after.x[:, 0, 0]) for s in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]
    for numbers in chosen:
        assert len(numbers) == 1_500
        assert numbers <= set(range(50, 1_650))


def test_a_recording_that_is_missing_too_short_or_of_another_kind_is_refused(
    tmp_path: Path,
) -> None:
    draw = swap("swap-x", shape=SHAPE, classes=4)
    sequence = np.random.SeedSequence(0)
    with pytest.raises(MissingDataError):
        draw(sequence, tmp_path)
    _write(tmp_path, after=1_499)
    with pytest.raises(ValueError, match="1499 records after, expected 1500"):
        draw(sequence, tmp_path)
    _write(tmp_path, metadata={"shape": "3x2 channel-major", "classes": "4"})
    with pytest.raises(ValueError, match="3x2"):
        draw(sequence, tmp_path)
