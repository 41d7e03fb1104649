"""Cron texts mean what crontab(5) says they mean."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from adaptd.config.crontab import cron_trigger

# A Monday.
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def runs(
    text: str, *, timezone: str = "UTC", start: datetime = MONDAY, days: int = 7
) -> list[datetime]:
    """All runs within so many days, in the zone's own time."""
    trigger = cron_trigger(text, timezone)
    found: list[datetime] = []
    moment = start
    while True:
        due = trigger.get_next_fire_time(None, moment)
        if due is None or due >= start + timedelta(days=days):
            return found
        found.append(due)
        moment = due.astimezone(UTC) + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("*", "mon tue wed thu fri sat sun"),
        ("0", "sun"),
        ("7", "sun"),
        ("1", "mon"),
        ("1-5", "mon tue wed thu fri"),
        ("0-6", "mon tue wed thu fri sat sun"),
        ("5-7", "fri sat sun"),
        ("fri-sun", "fri sat sun"),
        ("Mon,3", "mon wed"),
        ("*/2", "tue thu sat sun"),
        ("1-5/2", "mon wed fri"),
    ],
)
def test_weekdays_are_counted_from_sunday(field: str, expected: str) -> None:
    days = [f"{due:%a}".lower() for due in runs(f"0 3 * * {field}")]
    assert days == expected.split()


@pytest.mark.parametrize("field", ["8", "5-2", "*/0", "*/x", "monday", "1-", ""])
def test_weekdays_that_are_none_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=r"weekday|fields"):
        cron_trigger(f"0 3 * * {field}", "UTC")


def test_the_time_is_that_of_the_zone() -> None:
    (due,) = runs("30 2 1 6 *", timezone="Europe/Berlin", start=MONDAY - timedelta(days=1))
    assert due.astimezone(UTC) == datetime(2026, 6, 1, 0, 30, tzinfo=UTC)


def test_a_time_that_the_clocks_skip_comes_an_hour_later() -> None:
    # On 29 March 2026 clocks in Berlin go from 2:00 to 3:00.
    found = runs(
        "30 2 * * *",
        timezone="Europe/Berlin",
        start=datetime(2026, 3, 28, tzinfo=UTC),
        days=3,
    )
    assert [due.astimezone(UTC).strftime("%d %H:%M") for due in found] == [
        "28 01:30",
        "29 01:30",
        "30 00:30",
    ]


def test_a_time_that_the_clocks_repeat_comes_twice() -> None:
    # On 25 October 2026 clocks in Berlin go from 3:00 back to 2:00.
    found = runs(
        "30 2 * * *",
        timezone="Europe/Berlin",
        start=datetime(2026, 10, 24, tzinfo=UTC),
        days=3,
    )
    utc = [due.astimezone(UTC) for due in found]
    assert [due.strftime("%d %H:%M") for due in utc] == [
        "24 00:30",
        "25 00:30",
        "25 01:30",
        "26 01:30",
    ]
    assert all(earlier < later for earlier, later in pairwise(utc))
