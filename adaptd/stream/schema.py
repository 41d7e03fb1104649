"""`Schema`: what a record must look like."""

import json
import math
import re
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from adaptd.architecture import Contract
from adaptd.config import RecordConfig
from adaptd.errors import SourceError
from adaptd.stream.reject import UnfitRecordError

_COLUMN = re.compile(r"x(\d+)")


@dataclass(frozen=True)
class Document:
    """One JSON record. x: float32 [*shape]. target: the class's place. time: POSIX seconds."""

    id: str
    x: NDArray[np.float32]
    target: int
    time: float | None


@dataclass(frozen=True)
class Schema:
    """shape: of one record, without the batch axis. classes: names in the model's order.

    features: names of the channels, the first axis of the shape.
    """

    shape: tuple[int, ...]
    classes: tuple[str, ...]
    features: tuple[str, ...]

    @classmethod
    def of(cls, record: RecordConfig) -> "Schema":
        """The schema that a configuration describes; channels without names are x0, x1, …"""
        return cls(record.shape, record.classes, record.features or features_of(record.shape[0]))

    @property
    def size(self) -> int:
        """Numbers in one record."""
        return math.prod(self.shape)

    @property
    def columns(self) -> tuple[str, ...]:
        """A recorded stream's column names, channel-major: x0, x1, …"""
        return tuple(f"x{index}" for index in range(self.size))

    def contract(self) -> Contract:
        """What a model for these records takes and gives."""
        return Contract(features=self.features, shape=self.shape, classes=self.classes)

    def check_columns(self, names: Iterable[str], *, origin: str) -> None:
        """Raises SourceError unless there are exactly the columns x0 … for this shape, and target.

        Columns of other names are nobody's business. `origin` names the file in the error.
        """
        listed = list(names)
        found = set(listed)
        wanted = set(self.columns)
        absent = [name for name in (*self.columns, "target") if name not in found]
        surplus = sorted(
            (name for name in found - wanted if _COLUMN.fullmatch(name)),
            key=lambda name: int(name[1:]),
        )
        expected = f"expected x0 to x{self.size - 1} (shape {list(self.shape)}) and target"
        if absent:
            raise SourceError(f"{origin}: no column {', '.join(absent[:5])}; {expected}")
        doubled = sorted(name for name in {*wanted, "target"} if listed.count(name) > 1)
        if doubled:
            raise SourceError(f"{origin}: two columns are called {doubled[0]}; {expected}")
        if surplus:
            raise SourceError(
                f"{origin}: column {', '.join(surplus[:5])} is one too many; {expected}. "
                "Set record.shape to the shape that was recorded."
            )

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.classes)}

    @cached_property
    def _has_numbers_for_names(self) -> bool:
        return any(_is_integer(name) for name in self.classes)

    def place_of(self, target: object) -> int:
        """The class's place in `classes`, 0 to classes - 1.

        A class is given by its name. An integer (or a float without a fraction) is the name where
        class names are integers ("3", "7"), and the place where they are words.
        Raises UnfitRecordError: wrong-type, unknown-class.
        """
        if isinstance(target, str):
            name = target
            if not self._has_numbers_for_names and _is_integer(name):
                return self._checked_place(int(name))
        elif isinstance(target, bool) or not isinstance(target, int | float):
            raise UnfitRecordError("wrong-type", f"target must be a class, got {_shown(target)}")
        elif target != target // 1:
            raise UnfitRecordError("unknown-class", f"{self._expected}, got {_shown(target)}")
        else:
            number = int(target)
            if not self._has_numbers_for_names:
                return self._checked_place(number)
            name = str(number)
        place = self._places.get(name)
        if place is None:
            raise UnfitRecordError("unknown-class", f"{self._expected}, got {_shown(target)}")
        return place

    def _checked_place(self, place: int) -> int:
        if not 0 <= place < len(self.classes):
            raise UnfitRecordError("unknown-class", f"{self._expected}, got {place}")
        return place

    @property
    def _expected(self) -> str:
        shown = ", ".join(self.classes[:8]) + (", …" if len(self.classes) > 8 else "")
        return f"target must be one of {shown}"

    def parse(self, payload: bytes | None) -> Document:
        """One JSON object {"id", "x", "target", "time"?}; other keys are left alone.

        id: text or an integer. x: numbers nested as the shape is. time: POSIX seconds or ISO 8601
        (UTC if it names no zone); null is as good as absent.
        Raises UnfitRecordError with one of the reasons in `reject.REASONS`.
        """
        document = _decoded(payload)
        if not isinstance(document, dict):
            raise UnfitRecordError("wrong-type", f"expected an object, got {_shown(document)}")
        for key in ("id", "x", "target"):
            if document.get(key) is None:
                raise UnfitRecordError("missing-field", f"no {key}")
        identity = document["id"]
        if isinstance(identity, bool) or not isinstance(identity, str | int):
            raise UnfitRecordError("wrong-type", f"id must be text, got {_shown(identity)}")
        x = np.empty(self.shape, np.float32)
        self._fill(x, document["x"])
        if not np.isfinite(x).all():
            raise UnfitRecordError("not-finite", "x holds a number that is not finite as float32")
        return Document(
            id=str(identity),
            x=x,
            target=self.place_of(document["target"]),
            time=_time_of(document.get("time")),
        )

    def _fill(self, x: NDArray[np.float32], values: Any) -> None:
        if not isinstance(values, list):
            raise UnfitRecordError(
                "wrong-shape" if isinstance(values, int | float) else "wrong-type",
                f"x must be numbers nested as {list(self.shape)}, "
                f"got {_shown(values)} in a list's place",
            )
        if len(values) != len(x):
            raise UnfitRecordError(
                "wrong-shape",
                f"x must be of shape {list(self.shape)}, got {len(values)} where {len(x)} belong",
            )
        if x.ndim > 1:
            for part, inner in zip(x, values, strict=True):
                self._fill(part, inner)
            return
        odd = set(map(type, values)) - {int, float}
        if odd:
            raise UnfitRecordError(
                "wrong-shape" if list in odd else "wrong-type",
                f"x must be numbers nested as {list(self.shape)}, "
                f"got {', '.join(sorted(kind.__name__ for kind in odd))} in a number's place",
            )
        try:
            # A number beyond float32 becomes infinite, and the check for finite ones names it.
            with np.errstate(over="ignore"):
                x[:] = values
        except OverflowError as error:
            raise UnfitRecordError("not-finite", "x holds a number beyond float64") from error


def features_of(channels: int) -> tuple[str, ...]:
    """Names for channels that have none: x0, x1, …"""
    return tuple(f"x{channel}" for channel in range(channels))


def _decoded(payload: bytes | None) -> Any:
    if payload is None:
        raise UnfitRecordError("unreadable", "the record has no value")
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        if _names_non_finite(payload):
            raise UnfitRecordError("not-finite", "NaN or Infinity, which JSON has not") from error
        raise UnfitRecordError("unreadable", f"not JSON: {error}") from error


def _names_non_finite(payload: bytes) -> bool:
    """Whether it would be JSON but for NaN or Infinity, which many producers write."""
    names: list[str] = []
    try:
        json.loads(payload, parse_constant=names.append)
    except (ValueError, RecursionError):
        return False
    return bool(names)


def _time_of(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError as error:
            raise UnfitRecordError(
                "wrong-type", f"time must be POSIX seconds or ISO 8601, got {_shown(value)}"
            ) from error
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitRecordError(
            "wrong-type", f"time must be POSIX seconds or ISO 8601, got {_shown(value)}"
        )
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise UnfitRecordError("not-finite", "time is not finite")
    return seconds


def _is_integer(text: str) -> bool:
    # 18 digits always fit int64, and int() refuses thousands of them.
    return len(text) <= 18 and text.isascii() and text.removeprefix("-").isdecimal()


def _shown(value: object) -> str:
    # reprlib stops in long and in deep values, where repr would not.
    return reprlib.repr(value)
