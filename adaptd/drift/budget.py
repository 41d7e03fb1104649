"""`AlarmBudget`: how many false alarms a stream may raise."""

from dataclasses import dataclass
from typing import Literal

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
