"""`Schema`: what a record must look like."""

import json
import math
import re
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from adaptd.architecture import Contract
from adaptd.config import RecordConfig
from adaptd.errors import SourceError
from adaptd.stream.reject import UnfitRecordError

_COLUMN = re.compile(r"x(\d+)")

# Keys of a record, and the types of its numbers; a boolean is none of them.
_NEEDED = ("id", "x", "target")
_NUMBERS = frozenset({int, float})


@dataclass(frozen=True)
class Document:
    """One JSON record. x: float32 [*shape]. target: the class's place. time: POSIX seconds."""

    id: str
    x: NDArray[np.float32]
    target: int
    time: float | None


@dataclass(frozen=True, eq=False)
class Parsed:
    """Many JSON records. Of the n that fit: x float32 [n, *shape]; target int64 [n], the class's
    place; ids [n]; times float64 [n], POSIX seconds, NaN for one without; places [n], which of what
    was given they are. faults: place -> why the others do not fit, in order."""

    x: NDArray[np.float32]
    target: NDArray[np.int64]
    ids: list[str]
    times: NDArray[np.float64]
    places: list[int]
    faults: dict[int, UnfitRecordError]


class _Envelope(NamedTuple):
    """A record with its numbers as they came; or a list of each field, of many records."""

    id: Any
    x: Any
    target: Any
    time: Any


_NONE = _Envelope([], [], [], [])


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
        envelope = self._opened(payload)
        x = np.empty(self.shape, np.float32)
        self._fill(x, envelope.x)
        return Document(id=envelope.id, x=x, target=envelope.target, time=envelope.time)

    def parse_all(self, payloads: Sequence[bytes | None]) -> Parsed:
        """What `parse` makes of each, as columns, in less than half of the time."""
        faults: dict[int, UnfitRecordError] = {}
        places = list(range(len(payloads)))
        columns = self._columns(payloads)
        if columns is None:
            envelopes: list[_Envelope] = []
            places = []
            for place, payload in enumerate(payloads):
                try:
                    envelopes.append(self._opened(payload))
                except UnfitRecordError as error:
                    faults[place] = error
                else:
                    places.append(place)
            columns = _Envelope(*map(list, zip(*envelopes, strict=True))) if envelopes else _NONE
        x = self._filled(columns.x)
        if x is None:
            # Some do not fit: one by one, to see which and why.
            x = np.empty((len(places), *self.shape), np.float32)
            fit = []
            for row, place in enumerate(places):
                try:
                    self._fill(x[row], columns.x[row])
                except UnfitRecordError as error:
                    faults[place] = error
                else:
                    fit.append(row)
            x = x[fit]
            columns = _Envelope(*([column[row] for row in fit] for column in columns))
            places = [places[row] for row in fit]
        return Parsed(
            x=x,
            target=np.array(columns.target, np.int64),
            ids=columns.id,
            times=np.array(
                [math.nan if time is None else time for time in columns.time], np.float64
            ),
            places=places,
            faults=dict(sorted(faults.items())),
        )

    def _columns(self, payloads: Sequence[bytes | None]) -> _Envelope | None:
        """The envelopes of records of the usual kind, field by field; None where one is of another,
        which need not be wrong."""
        try:
            documents = list(map(orjson.loads, payloads))  # type: ignore[arg-type]
            ids = [document["id"] for document in documents]
            targets = [document["target"] for document in documents]
            x = [document["x"] for document in documents]
            if not {str}.issuperset(map(type, chain(ids, targets))) or type(None) in map(type, x):
                return None
            return _Envelope(
                ids,
                x,
                [self._usual_places[target] for target in targets],
                [_time_of(document.get("time")) for document in documents],
            )
        except (KeyError, TypeError, AttributeError, ValueError):
            # ValueError is also what orjson and UnfitRecordError are.
            return None

    @cached_property
    def _usual_places(self) -> dict[str, int]:
        return {name: self.place_of(name) for name in self.classes}

    def _opened(self, payload: bytes | None) -> _Envelope:
        """All but x, whose numbers are not looked at."""
        document = _decoded(payload)
        if not isinstance(document, dict):
            raise UnfitRecordError("wrong-type", f"expected an object, got {_shown(document)}")
        identity, x, target = map(document.get, _NEEDED)
        if identity is None or x is None or target is None:
            absent = next(key for key in _NEEDED if document.get(key) is None)
            raise UnfitRecordError("missing-field", f"no {absent}")
        if isinstance(identity, bool) or not isinstance(identity, str | int):
            raise UnfitRecordError("wrong-type", f"id must be text, got {_shown(identity)}")
        return _Envelope(str(identity), x, self.place_of(target), _time_of(document.get("time")))

    def _filled(self, values: list[Any]) -> NDArray[np.float32] | None:
        """float32 [n, *shape]; None unless all of them are nested numbers of that shape, finite."""
        try:
            rows: list[Any] = values
            for _ in self.shape[1:]:
                rows = list(chain.from_iterable(rows))
            # Also of a dictionary's keys or a text's letters, which are no numbers.
            if not _NUMBERS.issuperset(map(type, chain.from_iterable(rows))):
                return None
            x = np.array(values, np.float64)
        except (TypeError, ValueError, OverflowError):
            return None
        if not values:
            return np.empty((0, *self.shape), np.float32)
        if x.shape != (len(values), *self.shape):
            return None
        with np.errstate(over="ignore"):
            narrow = x.astype(np.float32)
        return narrow if np.isfinite(narrow).all() else None

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
            # A number beyond float32 becomes infinite.
            with np.errstate(over="ignore"):
                x[:] = np.array(values, np.float64)
        except OverflowError as error:
            raise UnfitRecordError("not-finite", "x holds a number beyond float64") from error
        if not np.isfinite(x).all():
            raise UnfitRecordError("not-finite", "x holds a number that is not finite as float32")


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
