"""Rows of a CSV file with a header line."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adaptd.errors import SourceError
from adaptd.stream.columns import Columns
from adaptd.stream.recording import Lines
from adaptd.stream.reject import UnfitRecordError
from adaptd.stream.rows import Rows
from adaptd.stream.schema import Schema
from adaptd.stream.weights import weight_of


class CsvRows:
    """Raises SourceError if the path is no text file whose first line names the columns.

    Empty lines are passed over. A row is UTF-8 text; bytes that are not are kept for its reject.
    """

    def __init__(self, path: Path, schema: Schema, *, is_followed: bool = False) -> None:
        self._path = path
        self._is_followed = is_followed
        columns = Columns.of(schema)
        self._file = Lines(path, is_followed=is_followed)
        try:
            self._begin()
            self._header = self._first_line()
            columns.check(self._header, origin=str(path))
        except SourceError:
            self._file.close()
            raise
        self._schema = schema
        self._places = [self._header.index(name) for name in columns.numbers]
        self._target = self._header.index(columns.target)
        self._id, self._time, self._weight = map(
            self._place_of, (columns.id, columns.time, columns.weight)
        )

    @property
    def total(self) -> None:
        return None

    def skip_to(self, row: int) -> int:
        self._file.rewind()
        self._begin()
        self._first_line()
        for passed in range(row):
            if self._next() is None:
                return passed
        return row

    def read(self, maximum: int) -> Rows:
        rows: list[list[str] | UnfitRecordError] = []
        payloads: list[bytes] = []
        while len(rows) < maximum and (row := self._next()) is not None:
            rows.append(row)
            payloads.append(self._text.taken)
        values = np.zeros((len(rows), len(self._places)), np.float32)
        times = np.full(len(rows), np.nan)
        weights = np.ones(len(rows), np.float32)
        targets: list[object] = [None] * len(rows)
        ids: list[str | None] = [None] * len(rows)
        faults: dict[int, UnfitRecordError] = {}
        for number, row in enumerate(rows):
            try:
                cells = self._cells(row)
                targets[number] = self._fill(values[number], cells)
                ids[number] = (cells[self._id] or None) if self._id is not None else None
                if self._time is not None:
                    times[number] = self._schema.times.read(_value(cells[self._time]))
                if self._weight is not None:
                    weights[number] = self._weight_of(cells[self._weight])
            except UnfitRecordError as error:
                faults[number] = error
        return Rows(
            values,
            targets,
            faults,
            payloads.__getitem__,
            ids=None if self._id is None else ids,
            times=None if self._time is None else times,
            weight=None if self._weight is None else weights,
        )

    def close(self) -> None:
        self._file.close()

    def _place_of(self, name: str | None) -> int | None:
        return self._header.index(name) if name in self._header else None

    def _cells(self, row: list[str] | UnfitRecordError) -> list[str]:
        if isinstance(row, UnfitRecordError):
            raise row
        if len(row) != len(self._header):
            raise UnfitRecordError(
                "wrong-shape",
                f"expected {len(self._header)} cells as in the header, got {len(row)}",
            )
        return row

    def _fill(self, out: NDArray[np.float32], row: list[str]) -> str:
        cells = [row[place] for place in self._places]
        target = row[self._target].strip()
        if not target:
            raise UnfitRecordError("missing-field", "a cell is empty")
        if not all(cells):
            for number, may_lack in enumerate(self._schema.may_lack):
                if not cells[number]:
                    if not may_lack:
                        raise UnfitRecordError("missing-field", "a cell is empty")
                    cells[number] = "nan"
        if "_" in "".join(cells):
            # float() takes Python's 1_000, which no other program means by it.
            raise UnfitRecordError("wrong-type", "a number with an underscore")
        try:
            # A number beyond float32 becomes infinite, and the check for finite ones names it.
            with np.errstate(over="ignore"):
                out[:] = [float(cell) for cell in cells]
        except ValueError as error:
            raise UnfitRecordError("wrong-type", str(error)) from error
        return target

    def _weight_of(self, cell: str) -> float:
        return weight_of(_value(cell), field=self._schema.layout.weight)

    def _begin(self) -> None:
        self._text = _Text(self._file, is_followed=self._is_followed)
        self._lines = csv.reader(self._text)

    def _first_line(self) -> list[str]:
        try:
            header = next(self._lines, None)
        except csv.Error as error:
            raise SourceError(f"{self._path}: not a readable CSV file: {error}") from error
        if header is None:
            raise SourceError(f"{self._path}: an empty file, expected a header line")
        return [name.strip() for name in header]

    def _next(self) -> list[str] | UnfitRecordError | None:
        """The next row that is not empty; an error for one that is no CSV; None at the end."""
        try:
            while True:
                self._text.taken = b""
                row = next(self._lines, None)
                if row is None or row:
                    return row
        except csv.Error as error:
            return UnfitRecordError("unreadable", f"not CSV: {error}")


def _value(cell: str) -> object:
    """The number in a cell, else its text; None for an empty one."""
    if not cell:
        return None
    try:
        return cell if "_" in cell else float(cell)
    except ValueError:
        return cell


class _Text:
    """Lines as text, with their ends. Where there is none it may have one later.

    A cell in quotes may go over several lines: they come together, and in a file that grows only
    when the last of them is there. taken: bytes of the lines that were given since it was emptied.
    """

    def __init__(self, lines: Lines, *, is_followed: bool) -> None:
        self._lines = lines
        self._is_followed = is_followed
        self._encoding = "utf-8-sig"
        self._held: list[bytes] = []
        self.taken = b""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while True:
            # Where the next line is not there yet, what was held is kept.
            self._held.append(next(self._lines))
            line = b"\n".join(self._held)
            if not self._is_followed or line.count(b'"') % 2 == 0:
                break
        self._held.clear()
        self.taken += line if not self.taken else b"\n" + line
        text = line.decode(self._encoding, errors="surrogateescape")
        self._encoding = "utf-8"
        return f"{text}\n"
