"""Quiet hours by the clocks of a zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.config.quiet_hours import QuietHours, covers_a_day, quiet_until

BERLIN = ZoneInfo("Europe/Berlin")
ZULU = ZoneInfo("UTC")


def at(text: str, zone: ZoneInfo = ZULU) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-06-01 21:59", None),
        ("2026-06-01 22:00", "2026-06-02 06:00"),
        ("2026-06-02 00:00", "2026-06-02 06:00"),
        ("2026-06-02 05:59", "2026-06-02 06:00"),
        ("2026-06-02 06:00", None),
    ],
)
def test_hours_past_midnight_hold_from_their_begin_until_before_their_end(
    now: str, end: str | None
) -> None:
    hours = [QuietHours.parse("22:00-06:00")]
    assert quiet_until(hours, at(now), ZULU) == (None if end is None else at(end))


def test_hours_within_a_day_are_those_of_the_zone() -> None:
    hours = [QuietHours.parse("09:00-17:30")]
    assert quiet_until(hours, at("2026-06-01 07:30"), BERLIN) == at("2026-06-01 15:30")
    assert quiet_until(hours, at("2026-06-01 06:59"), BERLIN) is None
    assert quiet_until(hours, at("2026-06-01 15:30"), BERLIN) is None


def test_hours_that_follow_on_one_another_count_as_one() -> None:
    hours = [QuietHours.parse(text) for text in ("00:00-06:00", "22:00-00:00", "05:00-07:00")]
    assert quiet_until(hours, at("2026-06-01 23:00"), ZULU) == at("2026-06-02 07:00")


@pytest.mark.parametrize(
    ("begins", "length"),
    # Clocks in Berlin go on an hour on 29 March 2026, and back on 25 October.
    [("2026-03-28 22:00", 7), ("2026-06-01 22:00", 8), ("2026-10-24 22:00", 9)],
)
def test_a_night_is_as_long_as_the_clocks_make_it(begins: str, length: int) -> None:
    begin = at(begins, BERLIN)
    end = quiet_until([QuietHours.parse("22:00-06:00")], begin, BERLIN)
    assert end == begin + timedelta(hours=length)


@pytest.mark.parametrize("text", ["22-6", "22:00", "24:00-06:00", "22:00-06:60", "6:00-7:00", ""])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HH:MM-HH:MM"):
        QuietHours.parse(text)


def test_hours_of_no_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        QuietHours.parse("06:00-06:00")


def test_a_day_is_covered_where_no_minute_is_left() -> None:
    parts = [QuietHours.parse(text) for text in ("12:00-23:59", "23:59-12:00")]
    assert covers_a_day(parts)
    assert not covers_a_day(parts[:1])
    assert not covers_a_day([])


_TIMES = st.times().map(lambda time: time.replace(second=0, microsecond=0, fold=0))
_HOURS = st.lists(
    st.builds(QuietHours, _TIMES, _TIMES).filter(lambda one: one.begin != one.end), max_size=4
).filter(lambda hours: not covers_a_day(hours))


@given(
    _HOURS,
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from([ZULU, BERLIN, ZoneInfo("Australia/Lord_Howe")]),
)
def test_it_is_not_quiet_any_more_when_it_ends(
    hours: list[QuietHours], now: datetime, zone: ZoneInfo
) -> None:
    end = quiet_until(hours, now, zone)
    if end is not None:
        assert now < end <= now + timedelta(hours=26)
        assert quiet_until(hours, end, zone) is None
