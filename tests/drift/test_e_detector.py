"""The e-detector: its sums, its dates, and what it promises."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adaptd.drift.betting import Bets
from adaptd.drift.e_detector import EDetector

# In eighths, whose sums are exact: with others, rounding decides whether a CUSUM is at nothing.
LOGS = arrays(
    np.float64,
    st.tuples(st.integers(1, 30), st.just(2)),
    elements=st.integers(-24, 24).map(lambda eighths: eighths / 8),
)


@given(logs=LOGS, cut=st.integers(0, 30))
def test_the_statistic_is_that_of_the_recursion_however_it_is_cut(
    logs: np.ndarray, cut: int
) -> None:
    detector = EDetector(2)
    moments = np.arange(100, 100 + len(logs))
    found = [
        *detector.update(logs[:cut], moments[:cut]),
        *detector.update(logs[cut:], moments[cut:]),
    ]
    sums = np.zeros(2)
    cusums, since = np.zeros(2), np.full(2, -1)
    for step, values in enumerate(logs):
        sums = (sums + 1) * np.exp(values)
        since = np.where(cusums <= 0, moments[step], since)
        cusums = np.maximum(cusums, 0) + values
        assert found[step] == pytest.approx(math.log(sums.mean()))
        cusums = np.maximum(cusums, 0)
    assert detector.log_statistic == pytest.approx(found[-1])
    if abs(cusums[0] - cusums[1]) > 1e-9 and cusums.max() > 1e-9:
        assert detector.since == since[cusums.argmax()]


def test_state_is_exact_and_of_its_bets() -> None:
    detector, other = EDetector(2), EDetector(2)
    detector.update(np.random.default_rng(0).standard_normal((50, 2)), np.arange(50))
    other.restore(json.loads(json.dumps(detector.state())))
    more = np.random.default_rng(1).standard_normal((9, 2))
    assert (detector.update(more, np.arange(9)) == other.update(more, np.arange(9))).all()
    assert detector.since == other.since
    with pytest.raises(ValueError, match="bets"):
        EDetector(3).restore(detector.state())


def test_runs_between_false_alarms_are_as_long_as_was_asked_for() -> None:
    # At least 200 steps on average are promised. Over 400 runs the mean of such run lengths, which
    # are nearly exponential, has a standard error of 5 %: below 200 with probability under 1e-3
    # where the truth is 240 or more, as it is here.
    randomness = np.random.default_rng(0)
    bets = Bets.general()
    lengths = []
    for _ in range(400):
        detector, steps = EDetector(len(bets.bounds)), 0
        while True:
            found = detector.update(bets.log_e_values(randomness.random(50)), np.arange(50))
            above = np.flatnonzero(found >= math.log(200))
            if len(above):
                lengths.append(steps + above[0] + 1)
                break
            steps += 50
    assert np.mean(lengths) >= 200


def test_nothing_taken_is_no_evidence() -> None:
    assert EDetector(2).log_statistic == -math.inf
    assert len(EDetector(2).update(np.empty((0, 2)), np.empty(0, np.int64))) == 0
