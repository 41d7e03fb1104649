"""River's detectors by name."""

import json

import numpy as np
import pytest

from adaptd.drift.alarm import Alarm
from adaptd.drift.block import SignalBlock
from adaptd.drift.river_detectors import (
    MEMORY_RECORDS,
    RIVER_DETECTORS,
    RiverDetector,
    RiverErrors,
)

DRIFT_AT = 2_000


def _errors(seed: int, *, after: float, records: int = 3_000) -> np.ndarray:
    rate = np.where(np.arange(records) < DRIFT_AT, 0.1, after)
    errors: np.ndarray = np.random.default_rng(seed).random(records) < rate
    return errors


def _alarms(detector: RiverDetector, errors: np.ndarray, *, first: int = 0) -> list[Alarm]:
    found = (
        detector.update(errors[at : at + 32], np.arange(first + at, first + at + 32))
        for at in range(0, len(errors) - 31, 32)
    )
    return [alarm for alarm in found if alarm is not None]


@pytest.mark.parametrize("name", RIVER_DETECTORS)
def test_each_sees_the_error_rise_and_says_since_when(name: str) -> None:
    # Its own constants make Page-Hinkley wait for an excess of fifty errors.
    alarms = _alarms(RiverDetector(name), _errors(0, after=0.7))
    found = [alarm for alarm in alarms if alarm.record >= DRIFT_AT]
    assert found[0].record < DRIFT_AT + 400
    assert found[0].signal == "error"
    assert found[0].since_record <= found[0].record
    assert found[0].statistic > 0


@pytest.mark.parametrize("name", ["adwin", "fhddm", "hddm-a"])
def test_a_fall_of_the_error_is_no_alarm(name: str) -> None:
    errors = ~_errors(1, after=0.9)
    alarms = _alarms(RiverDetector(name), errors)
    assert all(not DRIFT_AT <= alarm.record < DRIFT_AT + 300 for alarm in alarms)


# A test of Kolmogorov and Smirnov for every record takes its time.
_SLOW = pytest.param("kswin", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", [*(name for name in RIVER_DETECTORS if name != "kswin"), _SLOW])
def test_restoring_at_any_block_gives_the_same_alarms(name: str) -> None:
    errors = _errors(2, after=0.4)
    expected = _alarms(RiverDetector(name), errors)
    for cut in (320, 1_984, 2_112):
        first, second = RiverDetector(name), RiverDetector(name)
        found = _alarms(first, errors[:cut])
        second.restore(json.loads(json.dumps(first.state())))
        assert found + _alarms(second, errors[cut:], first=cut) == expected


def test_its_state_has_an_end() -> None:
    detector = RiverDetector("adwin")
    _alarms(detector, np.random.default_rng(0).random(2 * MEMORY_RECORDS) < 0.1)
    assert len(detector.state()["errors"]) <= MEMORY_RECORDS


def test_a_class_has_a_detector_of_its_own() -> None:
    target = np.arange(4_000) % 2
    randomness = np.random.default_rng(3)
    is_worse = (np.arange(4_000) >= DRIFT_AT) & (target == 1)
    hits = randomness.random(4_000) >= np.where(is_worse, 0.35, 0.1)
    errors = RiverErrors("adwin", ("calm", "worse"))
    alarms = []
    for at in range(0, 4_000, 32):
        own = slice(at, at + 32)
        block = SignalBlock(at, np.zeros((32, 1), np.float32), target=target[own], hits=hits[own])
        alarms += errors.update(block)
    signals = {alarm.signal for alarm in alarms}
    assert "error-of-worse" in signals
    assert "error-of-calm" not in signals
    other = RiverErrors("adwin", ("calm", "worse"))
    other.restore(json.loads(json.dumps(errors.state())))
    assert other.state() == errors.state()


def test_unknown_names_and_unlabelled_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="page-hinkley"):
        RiverDetector("no-such")
    with pytest.raises(ValueError, match="hits"):
        RiverErrors("ddm", ("a",)).update(SignalBlock(0, np.zeros((4, 1), np.float32)))
