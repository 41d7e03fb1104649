from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.nas201.accuracies import DATASETS, read
from benchmarks.nas201.encoding import EDGES, OPERATIONS, to_text


def _write(path: Path, architectures: list[str]) -> None:
    columns = {name: [float(row) for row in range(len(architectures))] for name in DATASETS}
    pq.write_table(pa.table({**columns, "architecture": architectures}), path)


def test_every_cell_has_its_own_rows_accuracy(tmp_path: Path) -> None:
    cells = list(product(OPERATIONS, repeat=EDGES))
    _write(tmp_path / "a.parquet", [to_text(cell) for cell in cells])
    tables = read(tmp_path / "a.parquet")
    assert tuple(table.dataset for table in tables) == DATASETS
    for table in tables:
        assert table.by_cell == {cell: float(row) for row, cell in enumerate(cells)}
        assert table.optimum == len(cells) - 1


def test_a_table_with_a_cell_missing_or_twice_is_refused(tmp_path: Path) -> None:
    texts = [to_text(cell) for cell in product(OPERATIONS, repeat=EDGES)]
    for name, architectures in (("a", texts[1:]), ("b", [*texts[1:], texts[-1]])):
        _write(tmp_path / name, architectures)
        with pytest.raises(ValueError, match="15625 cells once each"):
            read(tmp_path / name)
