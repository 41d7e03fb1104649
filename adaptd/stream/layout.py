"""`Layout`: where the parts of a record are."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter, methodcaller
from typing import Any

Reading = Callable[[Any], Any]


@dataclass(frozen=True)
class Layout:
    """Names of the fields of id, event time, target and numbers; of the prediction, None where
    records bring none. `a.b` is the field b of the field a."""

    id: str = "id"
    time: str = "time"
    target: str = "target"
    prediction: str | None = None
    x: str = "x"


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
