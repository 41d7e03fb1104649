"""`Layout`: where the parts of a record are."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter, methodcaller
from typing import Any

from adaptd.config.record import Encoding, NumberType, RecordConfig, TimeUnit

Reading = Callable[[Any], Any]


@dataclass(frozen=True)
class Layout:
    """Names of the fields of id, event time and target; of a prediction and of a weight, None where
    records bring none; of the numbers, unless each has a field of its own. `a.b` is the field b of
    the field a.

    dtype: of numbers that are bytes. time_unit: of times that are numbers.
    """

    id: str = "id"
    time: str = "time"
    target: str = "target"
    prediction: str | None = None
    weight: str | None = None
    x: str = "x"
    encoding: Encoding = "array"
    dtype: NumberType = "float32"
    time_unit: TimeUnit = "seconds"

    @classmethod
    def of(cls, record: RecordConfig) -> "Layout":
        return cls(
            id=record.id,
            time=record.time,
            target=record.target,
            prediction=record.prediction,
            weight=record.weight,
            x=record.x,
            encoding=record.encoding,
            dtype=record.dtype,
            time_unit=record.time_unit,
        )


# Of records that call everything by its usual name.
PLAIN = Layout()


def needed(name: str) -> Reading:
    """Takes a field out of a record; raises KeyError or TypeError where there is none."""
    first, *others = map(itemgetter, name.split("."))
    if not others:
        return first

    def read(record: Any) -> Any:
        value = first(record)
        for key in others:
            value = key(value)
        return value

    return read


def optional(name: str) -> Reading:
    """Takes a field out of a record, None where there is none; raises AttributeError for a record
    that has no fields."""
    first, *others = name.split(".")
    outermost = methodcaller("get", first)
    if not others:
        return outermost

    def read(record: Any) -> Any:
        value = outermost(record)
        for key in others:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    return read


def put(record: dict[str, Any], name: str, value: object) -> None:
    """Sets a field of a record, and makes those that it is within."""
    *outer, last = name.split(".")
    for key in outer:
        record = record.setdefault(key, {})
    record[last] = value
