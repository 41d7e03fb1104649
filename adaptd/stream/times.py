"""`Times`: event times, from the forms in which records hold them."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.config.record import TimeUnit
from adaptd.stream.reject import UnfitRecordError, shown

_PER_SECOND: Mapping[TimeUnit, int] = {
    "seconds": 1,
    "milliseconds": 10**3,
    "microseconds": 10**6,
    "nanoseconds": 10**9,
}

_NUMBERS = frozenset({int, float})


class Times:
    """field: where a time stands, for errors. unit: of times that are numbers."""

    def __init__(self, field: str, unit: TimeUnit) -> None:
        self._field = field
        self._unit = unit
        self._per_second = _PER_SECOND[unit]

    def read(self, value: object) -> float:
        """POSIX seconds, from a number, ISO 8601 or a datetime (UTC if it names no zone); NaN for
        None. Raises UnfitRecordError: wrong-type, not-finite."""
        if value is None:
            return math.nan
        if isinstance(value, datetime | str):
            try:
                time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
                return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError) as error:
                raise self._wrong(value) from error
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(value)
        try:
            # Of two whole numbers this is the nearest, which nanoseconds as float64 are not.
            seconds = value / self._per_second
        except OverflowError:
            seconds = math.inf
        if not math.isfinite(seconds):
            raise UnfitRecordError("not-finite", f"{self._field} is not finite")
        return seconds

    def read_all(self, values: Sequence[Any]) -> NDArray[np.float64]:
        """What `read` makes of each, float64 [n]. Raises UnfitRecordError if one is no time."""
        if _NUMBERS.issuperset(map(type, values)):
            try:
                times = np.array(
                    values
                    if self._per_second == 1
                    else [value / self._per_second for value in values],
                    np.float64,
                )
            except OverflowError:
                pass
            else:
                if np.isfinite(times).all():
                    return times
        return np.array([self.read(value) for value in values], np.float64)

    def written(self, seconds: float) -> float | int:
        """The number that is read as these POSIX seconds; whole, unless the unit is seconds."""
        if self._per_second == 1:
            return seconds
        whole = math.floor(seconds)
        return whole * self._per_second + round((seconds - whole) * self._per_second)

    def ahead(self, by_seconds: float) -> UnfitRecordError:
        """Of a record whose time is so much later than any that is taken."""
        return UnfitRecordError(
            "time-ahead",
            f"{self._field} is {by_seconds:.0f} s further ahead of our clock than "
            "record.maximum_ahead_seconds allows: check the producer's clock, and record.time_unit",
        )

    def _wrong(self, value: object) -> UnfitRecordError:
        return UnfitRecordError(
            "wrong-type",
            f"{self._field} must be POSIX {self._unit} or ISO 8601, got {shown(value)}",
        )
