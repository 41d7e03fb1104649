"""`ReplaySource`: a recorded stream, from a Parquet, CSV or JSON lines file."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adaptd.errors import SourceError
from adaptd.stream.batch import Batch, id_column
from adaptd.stream.csv_rows import CsvRows
from adaptd.stream.jsonl_rows import JsonlRows
from adaptd.stream.parquet_rows import ParquetRows
from adaptd.stream.recording import format_of
from adaptd.stream.reject import Reject, UnfitRecordError
from adaptd.stream.rows import RowReader, Rows
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll, only_position

# Rows that show at the start whether a recording has times.
_FIRST_ROWS = 256


class ReplaySource:
    """One partition, 0, whose offsets are the row numbers.

    Parquet and CSV: the columns that `Columns.of` the schema names; others are left alone. JSON
    lines: records as on a topic of JSON. A row without an id has its number as one; a row without a
    time stands as many seconds after the epoch as its number.
    is_followed: the file, of CSV or JSON lines, may grow; then the stream never ends, and where
    there is no new line a poll waits (`sleep`).
    needs_times: whether a row must have a time of its own; where the first ones have none, that
    shows at once.
    Raises SourceError if the path cannot be read or does not have these columns.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        is_followed: bool = False,
        needs_times: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._schema = schema
        self._is_followed = is_followed
        self._sleep = sleep
        self._reader = _open(path, schema, is_followed=is_followed)
        self._needs_times = needs_times
        self._next = 0
        if needs_times:
            self._sorted_out(self._reader.read(_FIRST_ROWS))
            self._reader.skip_to(0)

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
        reached = self._reader.skip_to(position)
        if reached < position:
            raise SourceError(
                f"{self._path}: the stored position {position} lies beyond its {reached} rows. "
                "It belongs to a longer file: give this one a stream name of its own."
            )
        self._next = position

    def poll(self, *, maximum: int, timeout_seconds: float) -> Poll:
        """As in `Source`. A file that ends gives all it has at once. Raises SourceError for a row
        without a time that needs one."""
        rows = self._reader.read(maximum)
        if self._is_followed and not len(rows):
            self._sleep(timeout_seconds)
            rows = self._reader.read(maximum)
        batch, rejects, is_fit = self._sorted_out(rows)
        self._next += len(rows)
        return Poll(
            batch,
            rejects,
            {0: self._next},
            prediction=None if rows.prediction is None else rows.prediction[is_fit],
            is_exhausted=not self._is_followed
            and (len(rows) < maximum or self._next == self._reader.total),
        )

    def lag(self) -> Mapping[int, int]:
        """Empty for CSV, whose length only reading it all would tell."""
        total = self._reader.total
        return {} if total is None else {0: total - self._next}

    def close(self) -> None:
        self._reader.close()

    def _sorted_out(self, rows: Rows) -> tuple[Batch, tuple[Reject, ...], NDArray[np.bool_]]:
        """The rows that fit, those that do not, and which ones do, bool [n]."""
        x = rows.values.reshape(len(rows), *self._schema.shape)
        unfit = {**self._schema.settle(x), **rows.faults}
        target = np.zeros(len(rows), np.int64)
        is_fit = np.ones(len(rows), np.bool_)
        rejects = []
        for row in range(len(rows)):
            try:
                if row in unfit:
                    raise unfit[row]
                target[row] = self._schema.place_of(rows.targets[row])
            except UnfitRecordError as error:
                is_fit[row] = False
                rejects.append(
                    Reject(error.reason, 0, self._next + row, error.detail, rows.payload(row))
                )
        if self._needs_times:
            self._check_times(rows, is_fit)
        numbers = np.arange(self._next, self._next + len(rows))
        batch = Batch(
            x=x,
            target=target,
            ids=id_column(
                numbers
                if rows.ids is None
                else [
                    number if own is None else own
                    for number, own in zip(numbers, rows.ids, strict=True)
                ]
            ),
            timestamps=numbers.astype(np.float64)
            if rows.times is None
            else np.where(np.isnan(rows.times), numbers, rows.times),
            positions=np.stack([np.zeros_like(numbers), numbers], axis=1),
            weight=rows.weight,
        )
        return (batch if is_fit.all() else batch.where(is_fit)), tuple(rejects), is_fit

    def _check_times(self, rows: Rows, is_fit: NDArray[np.bool_]) -> None:
        times = np.full(len(rows), np.nan) if rows.times is None else rows.times
        lacking = np.flatnonzero(np.isnan(times) & is_fit)
        if rows.times is None or len(lacking):
            which = f"row {self._next + lacking[0]}" if len(lacking) else "a row"
            raise SourceError(
                f"{self._path}: {which} has no time, which source.pace.speed goes by. record.time "
                "names its field (its column, with encoding: fields, in Parquet and CSV); "
                "pace.records_per_second needs none"
            )


def _open(path: Path, schema: Schema, *, is_followed: bool) -> RowReader:
    if schema.layout.prediction is not None and format_of(path) != ".jsonl":
        raise SourceError(
            f"{path}: record.prediction: of recordings only JSON lines hold what was predicted"
        )
    match format_of(path):
        case ".csv":
            return CsvRows(path, schema, is_followed=is_followed)
        case ".jsonl":
            return JsonlRows(path, schema, is_followed=is_followed)
        case _ if is_followed:
            raise SourceError(f"{path}: follow: a Parquet file does not grow line by line")
        case _:
            return ParquetRows(path, schema)
