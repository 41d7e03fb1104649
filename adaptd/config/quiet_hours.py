"""`QuietHours`: times of the day in which no episode begins."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_FORM = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class QuietHours:
    """From `begin` until before `end` by the clocks of a zone; past midnight where `end` is
    earlier."""

    begin: time
    end: time

    @classmethod
    def parse(cls, text: str) -> "QuietHours":
        """From 22:00-06:00. Raises ValueError for anything else, and for a length of nothing."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError("expected HH:MM-HH:MM such as 22:00-06:00")
        hour, minute, end_hour, end_minute = map(int, found.groups())
        begin, end = time(hour, minute), time(end_hour, end_minute)
        if begin == end:
            raise ValueError("expected two times that differ")
        return cls(begin, end)

    def minutes(self) -> set[int]:
        """The minutes of a day that are within, 0 to 1,439."""
        begin, end = (at.hour * 60 + at.minute for at in (self.begin, self.end))
        length = (end - begin) % _DAY_MINUTES
        return {(begin + minute) % _DAY_MINUTES for minute in range(length)}

    def until(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When they end, UTC, if they have begun at `now`; None if they have not."""
        today = now.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            last = day + timedelta(days=1) if self.end < self.begin else day
            # In UTC, since differences within a zone ignore that its clocks are changed.
            begin = datetime.combine(day, self.begin, zone).astimezone(UTC)
            end = datetime.combine(last, self.end, zone).astimezone(UTC)
            if begin <= now < end:
                return end
        return None


def covers_a_day(hours: Iterable[QuietHours]) -> bool:
    """Whether no minute of a day is left."""
    return len(set().union(*(one.minutes() for one in hours))) == _DAY_MINUTES


def quiet_until(hours: Iterable[QuietHours], now: datetime, zone: ZoneInfo) -> datetime | None:
    """When it is no longer quiet, UTC; None if it is not quiet at `now`. Hours that follow on one
    another count as one."""
    ends, moment = tuple(hours), now
    # Each of them ends at most once a day; more rounds than that would be a day without an end.
    for _ in range(len(ends) + 1):
        end = max((end for one in ends if (end := one.until(moment, zone))), default=None)
        if end is None:
            break
        moment = end
    return None if moment == now else moment
