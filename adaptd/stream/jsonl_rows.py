"""Rows of a file of JSON lines, each a record as a topic has it."""

from pathlib import Path

import numpy as np

from adaptd.stream.recording import Lines
from adaptd.stream.rows import Rows
from adaptd.stream.schema import Schema
from adaptd.stream.targets import NO_CLASS


class JsonlRows:
    """Lines of JSON as the schema parses them; empty ones are passed over.

    Raises SourceError if the file cannot be read.
    """

    def __init__(self, path: Path, schema: Schema, *, is_followed: bool = False) -> None:
        self._schema = schema.as_json
        self._lines = Lines(path, is_followed=is_followed)

    @property
    def total(self) -> None:
        return None

    def skip_to(self, row: int) -> int:
        self._lines.rewind()
        for passed in range(row):
            if self._next() is None:
                return passed
        return row

    def read(self, maximum: int) -> Rows:
        lines: list[bytes] = []
        while len(lines) < maximum and (line := self._next()) is not None:
            lines.append(line)
        parsed = self._schema.parse_all(lines)
        values = np.zeros((len(lines), self._schema.size), np.float32)
        values[parsed.places] = parsed.x.reshape(len(parsed.x), self._schema.size)
        times = np.full(len(lines), np.nan)
        times[parsed.places] = parsed.times
        targets: list[object] = [None] * len(lines)
        ids: list[str | None] = [None] * len(lines)
        for row, place in enumerate(parsed.places):
            targets[place] = self._schema.classes[parsed.target[row]]
            ids[place] = parsed.ids[row]
        prediction = None
        if parsed.prediction is not None:
            prediction = np.full(len(lines), NO_CLASS)
            prediction[parsed.places] = parsed.prediction
        weight = None
        if parsed.weight is not None:
            weight = np.ones(len(lines), np.float32)
            weight[parsed.places] = parsed.weight
        return Rows(
            values,
            targets,
            parsed.faults,
            lines.__getitem__,
            ids=ids,
            times=times,
            prediction=prediction,
            weight=weight,
        )

    def close(self) -> None:
        self._lines.close()

    def _next(self) -> bytes | None:
        while (line := next(self._lines, None)) is not None:
            if line.strip():
                return line
        return None
