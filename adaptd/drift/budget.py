"""`AlarmBudget`: how many false alarms a stream may raise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

_SECONDS_A_DAY = 86_400.0
_MILLION = 1_000_000.0


@dataclass(frozen=True)
class AlarmBudget:
    """alarms: false ones on average, of all signals together. per: a day of event time, or a
    million records. usual_records_per_day: of a stream whose times do not increase; None: then a
    budget a day is refused.
    """

    alarms: float
    per: Literal["day", "million-records"] = "million-records"
    usual_records_per_day: float | None = None

    def __post_init__(self) -> None:
        if not self.alarms > 0:
            raise ValueError(f"a budget of {self.alarms} alarms: expected more than 0")

    def per_record(self, records_per_day: float | None = None) -> float:
        """False alarms a record. records_per_day: of event time.

        Raises ValueError where a budget a day meets a stream whose pace is not known.
        """
        if self.per == "million-records":
            return self.alarms / _MILLION
        if records_per_day is None:
            records_per_day = self.usual_records_per_day
        if records_per_day is None or not records_per_day > 0:
            raise ValueError(
                "a budget of alarms a day needs records with event times that increase: give one "
                "of alarms per million records instead"
            )
        return self.alarms / records_per_day


def records_per_day(records: int, seconds: float) -> float | None:
    """The pace of so many records over so many seconds of event time; None where none passed."""
    return records / seconds * _SECONDS_A_DAY if seconds > 0 and records > 0 else None


def pace(moments: Sequence[float], records_apart: int) -> float | None:
    """Records a day of a stream seen at moments that lie so many records apart, POSIX seconds.

    From the median of the times between each moment and the one that is half of them later, so
    fewer than half of those may be wrong; None where no time passed, or with fewer than two.
    """
    half = len(moments) // 2
    if half == 0:
        return None
    times = np.asarray(moments)
    return records_per_day(half * records_apart, float(np.median(times[half:] - times[:-half])))
