"""Alarms against known drifts."""

import pytest

from adaptd.drift.detection import always, detection, is_worth, never


def test_first_alarms_detect_and_all_others_are_false() -> None:
    found = detection([50, 129, 180, 310], [100, 200, 300], first=0, end=400)
    assert found.delays == (30, None, 11)
    assert (found.missed, found.false_alarms) == (1, 2)
    assert found.missed_detection_rate == pytest.approx(1 / 3)
    assert found.mean_time_to_detection == pytest.approx(20.5)
    assert found.mean_time_between_false_alarms == 200
    assert found.mean_time_ratio == pytest.approx(200 / 20.5 * 2 / 3)
    assert found.to_document()["mtd"] == pytest.approx(20.5)


def test_an_alarm_that_comes_too_late_is_false() -> None:
    found = detection([190], [100], first=0, end=300, within=50)
    assert (found.delays, found.false_alarms) == ((None,), 1)
    assert found.mean_time_ratio == 0


def test_drifts_that_nobody_watched_do_not_count() -> None:
    found = detection([], [10, 500], first=100, end=400)
    assert found.delays == ()
    assert found.missed_detection_rate is None
    assert not is_worth(found, [])


def test_both_baselines_are_worth_nothing() -> None:
    def of(alarms: list[int]) -> object:
        return detection(alarms, [5_000], first=0, end=10_000)

    fires = detection(always(first=0, end=10_000, block_records=32), [5_000], first=0, end=10_000)
    silent = detection(never(), [5_000], first=0, end=10_000)
    good = detection([5_100], [5_000], first=0, end=10_000)
    assert fires.missed == 0
    assert fires.false_alarms == 10_000 // 32 - 1
    assert silent.mean_time_ratio == 0
    assert is_worth(good, [fires, silent])
    assert not is_worth(silent, [fires])
    assert of([5_100]) == good
