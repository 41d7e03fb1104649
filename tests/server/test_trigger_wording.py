"""What waits, in words."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adaptd.adaptation.hold import REASONS
from adaptd.registry.requests import Answer, Request
from adaptd.server.trigger_state import UNSEEN, Waiting
from adaptd.server.trigger_wording import REASONS as WORDS
from adaptd.server.trigger_wording import answered, record_time, until, what, why

AT = datetime(2026, 3, 2, 6, tzinfo=UTC)
DRIFT = Waiting("drift", "loss", "", False, 4_320, AT, "quiet-hours", AT, None)
PERSON = replace(DRIFT, kind="manual", detail="new bearing", actor="user:ada", record=None)


def test_what_waits_says_who_or_what_asks() -> None:
    assert what(DRIFT) == "drift (loss) at record 4,320"
    assert what(PERSON) == "user:ada asks: new bearing"
    assert what(replace(PERSON, detail="", is_over_budget=True)) == "user:ada asks, over the budget"
    assert what(replace(DRIFT, kind="schedule")) == "the schedule"


def test_every_reason_there_is_has_words() -> None:
    assert set(WORDS) == {*REASONS, UNSEEN}
    assert why(replace(DRIFT, reason="another version's")) == "another version's"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "2026-03-02 06:00:00 UTC"),
        ({"until": None, "until_time": 4_600.0}, "records of 1970-01-01 01:16:40 UTC"),
        ({"until": None, "reason": "episode"}, "that ends"),
        ({"until": None, "reason": UNSEEN}, "\N{EN DASH}"),
    ],
)
def test_until_is_by_the_clock_that_counts(fields: dict[str, object], expected: str) -> None:
    assert until(replace(DRIFT, **fields)) == expected  # type: ignore[arg-type]


def test_a_time_that_is_no_date_stays_a_number() -> None:
    assert record_time(1e18) == "1e+18 s"


def test_asking_says_what_it_did() -> None:
    request = Request("R1", "press-4", "user:ada", "new bearing", False, AT, None)
    assert "is asked for by user:ada." in answered(Answer(request, is_new=True))
    over = replace(request, is_over_budget=True)
    assert "over the budget if need be" in answered(Answer(over, is_new=True))
    again = answered(Answer(request, is_new=False))
    assert "user:ada has asked" in again
    assert "2026-03-02 06:00:00 UTC (new bearing)" in again
    assert "Nothing was added." in again
