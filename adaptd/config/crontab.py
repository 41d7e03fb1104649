"""Cron texts, as crontab(5) reads them."""

from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

# Minute, hour, day of the month, month, day of the week.
FIELDS = 5


def cron_trigger(text: str, timezone: str) -> CronTrigger:
    """APScheduler's trigger for five fields in a time zone. Raises ValueError for what is none.

    APScheduler counts weekdays from Monday, crontab(5) from Sunday: here 0 and 7 are Sunday.
    """
    fields = text.split()
    if len(fields) != FIELDS:
        raise ValueError(f"expected {FIELDS} fields, got {len(fields)}")
    minute, hour, day, month, weekday = fields
    return CronTrigger(
        minute=minute,
        hour=hour,
        day=day,
        month=month,
        day_of_week=_weekdays(weekday),
        timezone=ZoneInfo(timezone),
    )


def _weekdays(field: str) -> str:
    """The field with its days by name, so that nobody counts them."""
    if field == "*":
        return field
    days: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isdecimal() and int(step) > 0):
            raise ValueError(f"weekday {part!r}: expected a step of at least 1")
        first, dash, last = span.partition("-")
        if span == "*":
            begin, end = 0, 6
        else:
            begin = _day(first)
            end = _day(last) if dash else 6 if slash else begin
        if dash and end == 0:
            end = 7  # as in fri-sun
        if end < begin:
            raise ValueError(f"weekday {part!r}: the range ends before it begins")
        days.update(day % 7 for day in range(begin, end + 1, int(step or 1)))
    return ",".join(_DAYS[day] for day in sorted(days))


def _day(text: str) -> int:
    if text.lower() in _DAYS:
        return _DAYS.index(text.lower())
    if text.isdecimal() and int(text) <= 7:
        return int(text)
    raise ValueError(f"weekday {text!r}: expected 0 to 7, or one of {', '.join(_DAYS)}")
