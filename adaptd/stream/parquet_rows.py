"""Rows of a Parquet file, streamed by row groups."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adaptd.errors import SourceError
from adaptd.stream.columns import Columns
from adaptd.stream.reject import UnfitRecordError
from adaptd.stream.rows import Rows
from adaptd.stream.schema import Schema
from adaptd.stream.weights import weight_of

# Rows decoded at a time, which bounds the memory whatever the file's row groups are.
_STRIDE = 4_096


class ParquetRows:
    """Raises SourceError if the path is no Parquet file with these columns, of
    numbers where numbers are expected."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path = path
        columns = Columns.of(schema)
        self._schema = schema
        self._columns = columns.numbers
        self._target = columns.target
        try:
            self._file = pq.ParquetFile(path, memory_map=True)
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{path}: not a readable Parquet file: {error}") from error
        arrow = self._file.schema_arrow
        columns.check(arrow.names, origin=str(path))
        self._id, self._time = (
            name if name in arrow.names else None for name in (columns.id, columns.time)
        )
        self._weight = columns.weight
        weights = () if self._weight is None else (self._weight,)
        self._taken = [
            *self._columns,
            self._target,
            *weights,
            *(name for name in (self._id, self._time) if name is not None),
        ]
        for name in (*self._columns, *weights):
            kind = arrow.field(name).type
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
                raise SourceError(f"{path}: column {name} must hold numbers, got {kind}")
        self._groups: Iterator[pa.RecordBatch] = iter(())
        self._buffer = self._nothing()
        self.skip_to(0)

    @property
    def total(self) -> int:
        return int(self._file.metadata.num_rows)

    def skip_to(self, row: int) -> int:
        group, start = 0, 0
        metadata = self._file.metadata
        while group < metadata.num_row_groups:
            size = metadata.row_group(group).num_rows
            if start + size > row:
                break
            start += size
            group += 1
        self._groups = self._file.iter_batches(
            batch_size=_STRIDE,
            row_groups=list(range(group, metadata.num_row_groups)),
            columns=self._taken,
        )
        self._buffer = self._nothing()
        return start + self._take(row - start).num_rows

    def read(self, maximum: int) -> Rows:
        table = self._take(maximum)
        records = table.num_rows
        values = np.empty((records, len(self._columns)), np.float32)
        is_absent = np.asarray(pc.is_null(table[self._target]).to_numpy())
        # A number beyond float32 becomes infinite, and the check for finite ones names it.
        with np.errstate(over="ignore"):
            for place, name in enumerate(self._columns):
                column = table[name]
                # NaN in the place of null.
                values[:, place] = column.to_numpy()
                if column.null_count and not self._schema.may_lack[place]:
                    is_absent = is_absent | np.asarray(pc.is_null(column).to_numpy())
        faults = {
            int(row): UnfitRecordError("missing-field", "a column is null")
            for row in np.flatnonzero(is_absent)
        }
        return Rows(
            ids=self._ids(table),
            times=self._times(table, faults),
            weight=self._weights(table, faults),
            values=values,
            targets=table[self._target].to_pylist(),
            faults=faults,
            payload=lambda row: orjson.dumps(table.slice(row, 1).to_pylist()[0], default=str),
        )

    def _ids(self, table: pa.Table) -> list[str | None] | None:
        if self._id is None:
            return None
        return [None if own is None else str(own) for own in table[self._id].to_pylist()]

    def _times(
        self, table: pa.Table, faults: dict[int, UnfitRecordError]
    ) -> NDArray[np.float64] | None:
        if self._time is None:
            return None
        column = table[self._time]
        if pa.types.is_timestamp(column.type):
            # Python has no nanoseconds.
            column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        times = np.full(table.num_rows, np.nan)
        for row, time in enumerate(column.to_pylist()):
            try:
                times[row] = self._schema.times.read(time)
            except UnfitRecordError as error:
                faults.setdefault(row, error)
        return times

    def _weights(
        self, table: pa.Table, faults: dict[int, UnfitRecordError]
    ) -> NDArray[np.float32] | None:
        if self._weight is None:
            return None
        weights = np.ones(table.num_rows, np.float32)
        column = table[self._weight].cast(pa.float64(), safe=False)
        for row, weight in enumerate(column.to_pylist()):
            try:
                weights[row] = weight_of(weight, field=self._weight)
            except UnfitRecordError as error:
                faults.setdefault(row, error)
        return weights

    def close(self) -> None:
        self._groups = iter(())
        self._file.close()

    def _take(self, maximum: int) -> pa.Table:
        """The next rows, fewer only at the end."""
        parts = [self._buffer]
        held = self._buffer.num_rows
        try:
            while held < maximum and (batch := next(self._groups, None)) is not None:
                parts.append(pa.Table.from_batches([batch]))
                held += batch.num_rows
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{self._path}: a damaged Parquet file: {error}") from error
        table = pa.concat_tables(parts)
        self._buffer = table.slice(maximum)
        return table.slice(0, maximum)

    def _nothing(self) -> pa.Table:
        fields = [self._file.schema_arrow.field(name) for name in self._taken]
        return pa.schema(fields).empty_table()
