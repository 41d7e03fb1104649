"""Event times, from the forms in which records hold them."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.reject import UnfitRecordError, shown

_NUMBERS = frozenset({int, float})


def time_of(value: object) -> float:
    """POSIX seconds, from such a number or ISO 8601 (UTC if it names no zone); NaN for None.

    Raises UnfitRecordError: wrong-type, not-finite.
    """
    if value is None:
        return math.nan
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError) as error:
            raise _wrong(value) from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(value)
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise UnfitRecordError("not-finite", "time is not finite")
    return seconds


def times_of(values: Sequence[Any]) -> NDArray[np.float64]:
    """What `time_of` makes of each, float64 [n]. Raises UnfitRecordError if one of them is none."""
    if _NUMBERS.issuperset(map(type, values)):
        try:
            times = np.array(values, np.float64)
        except OverflowError:
            pass
        else:
            if np.isfinite(times).all():
                return times
    return np.array([time_of(value) for value in values], np.float64)


def _wrong(value: object) -> UnfitRecordError:
    return UnfitRecordError(
        "wrong-type", f"time must be POSIX seconds or ISO 8601, got {shown(value)}"
    )
