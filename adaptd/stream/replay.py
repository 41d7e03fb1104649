"""`ReplaySource`: a recorded stream, from a Parquet or CSV file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from adaptd.errors import SourceError
from adaptd.stream.batch import Batch, id_column
from adaptd.stream.csv_rows import CsvRows
from adaptd.stream.parquet_rows import ParquetRows
from adaptd.stream.reject import Reject, UnfitRecordError
from adaptd.stream.rows import RowReader, Rows
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll, only_position


class ReplaySource:
    """One partition, 0, whose offsets are the row numbers. Never waits.

    Columns x0 … (channel-major, as many as the shape has numbers) and target; other columns are
    left alone. Recordings have no event times here: row n stands n seconds after the epoch.
    Raises SourceError if the path cannot be read or does not have these columns.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path = path
        self._schema = schema
        self._reader = _open(path, schema)
        self._next = 0

    @property
    def schema(self) -> Schema:
        return self._schema

    def seek(self, positions: Mapping[int, int]) -> None:
        """Raises SourceError for another partition than 0, or a position beyond the end."""
        position = only_position(positions, name=str(self._path))
        total = self._reader.total
        if total is not None and position > total:
            raise SourceError(
                f"{self._path}: the stored position {position} lies beyond its {total} rows. "
                "It belongs to a longer file: give this one a stream name of its own."
            )
        self._reader.skip_to(position)
        self._next = position

    def poll(self, *, maximum: int, timeout_seconds: float) -> Poll:  # noqa: ARG002  (never waits)
        rows = self._reader.read(maximum)
        batch, rejects = self._sorted_out(rows)
        self._next += len(rows)
        return Poll(
            batch,
            rejects,
            {0: self._next},
            is_exhausted=len(rows) < maximum or self._next == self._reader.total,
        )

    def lag(self) -> Mapping[int, int]:
        """Empty for CSV, whose length only reading it all would tell."""
        total = self._reader.total
        return {} if total is None else {0: total - self._next}

    def close(self) -> None:
        self._reader.close()

    def _sorted_out(self, rows: Rows) -> tuple[Batch, tuple[Reject, ...]]:
        is_finite = np.asarray(np.isfinite(rows.values).all(axis=1))
        target = np.zeros(len(rows), np.int64)
        is_fit = np.ones(len(rows), np.bool_)
        rejects = []
        for row in range(len(rows)):
            try:
                if row in rows.faults:
                    raise rows.faults[row]
                if not is_finite[row]:
                    raise UnfitRecordError("not-finite", "a number that is not finite as float32")
                target[row] = self._schema.place_of(rows.targets[row])
            except UnfitRecordError as error:
                is_fit[row] = False
                rejects.append(
                    Reject(error.reason, 0, self._next + row, error.detail, rows.payload(row))
                )
        numbers = np.arange(self._next, self._next + len(rows))
        batch = Batch(
            x=rows.values.reshape(len(rows), *self._schema.shape),
            target=target,
            ids=id_column(numbers),
            timestamps=numbers.astype(np.float64),
            positions=np.stack([np.zeros_like(numbers), numbers], axis=1),
        )
        return (batch if is_fit.all() else batch.where(is_fit)), tuple(rejects)


def _open(path: Path, schema: Schema) -> RowReader:
    match path.suffix.lower():
        case ".parquet":
            return ParquetRows(path, schema)
        case ".csv":
            return CsvRows(path, schema)
        case other:
            raise SourceError(f"{path}: expected a .parquet or .csv file, got {other!r}")
