"""Budgets of false alarms."""

import pytest

from adaptd.drift.budget import AlarmBudget, pace, records_per_day


def test_a_budget_is_a_rate_per_record() -> None:
    assert AlarmBudget(10.0).per_record() == pytest.approx(1e-5)
    # A record a second.
    pace = records_per_day(3_600, 3_600.0)
    assert pace == pytest.approx(86_400)
    assert AlarmBudget(2.0, "day").per_record(pace) == pytest.approx(2 / 86_400)


@pytest.mark.parametrize("pace", [None, 0.0])
def test_a_budget_a_day_needs_event_times(pace: float | None) -> None:
    with pytest.raises(ValueError, match="event times"):
        AlarmBudget(1.0, "day").per_record(pace)
    assert records_per_day(100, 0.0) is None


def test_no_alarms_at_all_are_no_budget() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        AlarmBudget(0.0)


def test_a_pace_stands_against_moments_that_are_wrong() -> None:
    moments = [32.0 * number for number in range(160)]
    assert pace(moments, 32) == pytest.approx(86_400)
    for wrong in (0, 3, 80, 159):
        assert pace([*moments[:wrong], 1e9, *moments[wrong + 1 :]], 32) == pytest.approx(86_400)
    assert pace(moments[:5], 32) == pytest.approx(86_400)
    assert pace([7.0] * 10, 32) is None
    assert pace([7.0], 32) is None
    assert pace([], 32) is None
