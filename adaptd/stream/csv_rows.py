"""Rows of a CSV file with a header line."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adaptd.errors import SourceError
from adaptd.stream.recording import Lines
from adaptd.stream.reject import UnfitRecordError
from adaptd.stream.rows import Rows
from adaptd.stream.schema import Schema


class CsvRows:
    """Raises SourceError if the path is no text file whose first line names x0 … and target.

    Empty lines are passed over. A row is UTF-8 text; bytes that are not are kept for its reject.
    """

    def __init__(self, path: Path, schema: Schema, *, is_followed: bool = False) -> None:
        self._path = path
        self._file = Lines(path, is_followed=is_followed)
        try:
            self._lines = csv.reader(_Text(self._file))
            self._header = self._first_line()
            schema.check_columns(self._header, origin=str(path))
        except SourceError:
            self._file.close()
            raise
        self._places = [self._header.index(name) for name in schema.columns]
        self._target = self._header.index("target")

    @property
    def total(self) -> None:
        return None

    def skip_to(self, row: int) -> None:
        self._file.rewind()
        self._lines = csv.reader(_Text(self._file))
        self._first_line()
        for _ in range(row):
            if self._next() is None:
                return

    def read(self, maximum: int) -> Rows:
        rows: list[list[str] | UnfitRecordError] = []
        while len(rows) < maximum and (row := self._next()) is not None:
            rows.append(row)
        values = np.zeros((len(rows), len(self._places)), np.float32)
        targets: list[object] = []
        faults: dict[int, UnfitRecordError] = {}
        for number, row in enumerate(rows):
            try:
                targets.append(self._fill(values[number], row))
            except UnfitRecordError as error:
                targets.append(None)
                faults[number] = error
        return Rows(values, targets, faults, _payload_of(rows))

    def close(self) -> None:
        self._file.close()

    def _fill(self, out: NDArray[np.float32], row: list[str] | UnfitRecordError) -> str:
        if isinstance(row, UnfitRecordError):
            raise row
        if len(row) != len(self._header):
            raise UnfitRecordError(
                "wrong-shape",
                f"expected {len(self._header)} cells as in the header, got {len(row)}",
            )
        cells = [row[place] for place in self._places]
        target = row[self._target].strip()
        if not target or not all(cells):
            raise UnfitRecordError("missing-field", "a cell is empty")
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
            while (row := next(self._lines, None)) is not None:
                if row:
                    return row
        except csv.Error as error:
            return UnfitRecordError("unreadable", f"not CSV: {error}")
        return None


class _Text:
    """Lines as text, with their ends, since a cell in quotes may go over several. Where there is
    none it may have one later."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._encoding = "utf-8-sig"

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines).decode(self._encoding, errors="surrogateescape")
        self._encoding = "utf-8"
        return f"{line}\n"


def _payload_of(rows: list[list[str] | UnfitRecordError]) -> Callable[[int], bytes]:
    def payload(number: int) -> bytes:
        row = rows[number]
        if isinstance(row, UnfitRecordError):
            return b""
        text = io.StringIO()
        with suppress(csv.Error):
            csv.writer(text, lineterminator="").writerow(row)
        return text.getvalue().encode("utf-8", errors="surrogateescape")

    return payload
