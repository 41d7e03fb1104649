import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.config.record import TimeUnit
from adaptd.stream.reject import UnfitRecordError
from adaptd.stream.times import Times

SECONDS = Times("at", "seconds")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (12, 12.0),
        (1.5, 1.5),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-02", 86_400.0),
        (datetime(1970, 1, 2), 86_400.0),  # noqa: DTZ001
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 0.0),
        (datetime(1970, 1, 1, tzinfo=UTC), 0.0),
    ],
)
def test_numbers_texts_and_datetimes_are_times(value: object, seconds: float) -> None:
    assert SECONDS.read(value) == seconds
    np.testing.assert_array_equal(SECONDS.read_all([value, None]), [seconds, math.nan])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("yesterday", "wrong-type"),
        (False, "wrong-type"),
        ([1], "wrong-type"),
        (b"1", "wrong-type"),
        (math.nan, "not-finite"),
        (-math.inf, "not-finite"),
        (10**400, "not-finite"),
    ],
)
def test_what_is_no_time_is_refused(value: object, reason: str) -> None:
    with pytest.raises(UnfitRecordError, match=f"{reason}: at ") as caught:
        SECONDS.read(value)
    assert caught.value.reason == reason
    with pytest.raises(UnfitRecordError):
        SECONDS.read_all([1.0, value])


def test_the_first_and_last_moments_are_times_or_refused() -> None:
    for value in (
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        datetime.max.replace(tzinfo=UTC),
    ):
        with suppress(UnfitRecordError):
            assert math.isfinite(SECONDS.read(value))


@pytest.mark.parametrize(
    ("unit", "number"),
    [
        ("seconds", 1_700_000_000.25),
        ("milliseconds", 1_700_000_000_250),
        ("microseconds", 1_700_000_000_250_000),
        ("nanoseconds", 1_700_000_000_250_000_000),
    ],
)
def test_numbers_are_of_the_unit(unit: TimeUnit, number: float) -> None:
    times = Times("at", unit)
    assert times.read(number) == 1_700_000_000.25
    assert times.read_all([number, number]).tolist() == [1_700_000_000.25] * 2
    assert times.written(1_700_000_000.25) == number
    # Text names its own.
    assert times.read("1970-01-01T00:01:00Z") == 60


@given(
    st.lists(
        st.none()
        | st.integers(-(2**40), 2**40)
        | st.floats(-1e12, 1e12)
        | st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)).map(datetime.isoformat)  # noqa: DTZ001
    )
)
def test_many_at_once_are_what_each_of_them_is(values: list[object]) -> None:
    np.testing.assert_array_equal(
        SECONDS.read_all(values), [SECONDS.read(value) for value in values]
    )
