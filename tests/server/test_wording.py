from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.server.wording import (
    ABSENT,
    MINUS,
    NO_BREAK,
    TIMES,
    age,
    count,
    e_value,
    member,
    odds,
    percent,
    points,
    ratio,
    scaled,
)


def plain(text: str) -> str:
    return text.replace(NO_BREAK, " ")


def test_fractions_are_percent_with_one_digit() -> None:
    assert plain(percent(0.931)) == "93.1 %"
    assert percent(None) == ABSENT
    assert percent(float("nan")) == ABSENT


def test_differences_carry_their_sign() -> None:
    assert plain(points(0.349)) == "+34.9 points"
    assert plain(points(-0.02)) == f"{MINUS}2.0 points"


@pytest.mark.parametrize(
    ("number", "text"),
    [(7, "7"), (1_204_224, "1.20 M"), (123_456, "123 k"), (2.5e9, "2.50 G"), (None, ABSENT)],
)
def test_large_numbers_keep_three_digits(number: float | None, text: str) -> None:
    assert plain(scaled(number)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (37.24, "37.2"),
        (125_000.4, f"1.3 {TIMES} 10⁵"),
        (2e-7, f"2.0 {TIMES} 10⁻⁷"),
        (float("inf"), "∞"),
        (None, ABSENT),
    ],
)
def test_e_values_are_readable_at_any_size(value: float | None, text: str) -> None:
    assert plain(e_value(value)) == text


def test_odds_never_overstate_the_evidence() -> None:
    assert odds(125_000.9) == "1 in 125,000"
    assert odds(float("inf")) == "1 in 1,000,000,000"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (0.4, "just now"),
        (59, "59 s ago"),
        (130, "2 min ago"),
        (7_800, "2 h 10 min ago"),
        (7_200, "2 h ago"),
        (200_000, "2 d 7 h ago"),
    ],
)
def test_ages_name_the_units_that_matter(seconds: float, text: str) -> None:
    assert plain(age(timedelta(seconds=seconds))) == text


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_float_can_be_written(value: float) -> None:
    for write in (percent, scaled, ratio, e_value):
        assert write(value)


def test_unknown_members_keep_their_name_and_counts_their_separators() -> None:
    assert member("shrunk") == "shrunk"
    assert member("retrained") == "deployed architecture, retrained"
    assert count(12_345) == "12,345"
