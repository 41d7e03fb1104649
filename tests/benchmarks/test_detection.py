"""The benchmark of drift detection."""

import numpy as np
import pytest

from benchmarks.detection import _adwin, _oracle, _watch
from benchmarks.streams.drifts import DRIFTS


def test_the_oracle_waits_as_the_formula_says() -> None:
    oracle = _oracle(0.40, 1e5)
    randomness = np.random.default_rng(0)
    delays = []
    for _ in range(400):
        steps = np.where(randomness.random(400) < 0.4, np.log(4.0), np.log(0.6 / 0.9))
        sums = np.concatenate([[0.0], np.cumsum(steps)])
        cusum = sums - np.minimum.accumulate(sums)
        delays.append(int(np.argmax(cusum >= oracle["log_threshold"])))
    # A simulated delay has a standard error of about half a record, and overshoots by a step or
    # two, which the formula leaves out.
    assert oracle["delay"] - 2 < np.mean(delays) < oracle["delay"] + 6
    assert _oracle(0.15, 1e6)["delay"] > _oracle(0.15, 1e5)["delay"]


def test_both_detectors_are_shown_the_same_rise() -> None:
    randomness = np.random.default_rng(0)
    errors = randomness.random(4_000) < np.repeat([0.1, 0.5], [3_000, 1_000])
    for alarms in (_adwin(errors, delta=0.002), _watch(errors, run=1e5, seed=0)):
        assert 3_000 <= alarms[0] < 3_150


@pytest.mark.parametrize("name", DRIFTS)
def test_only_records_after_the_drift_are_of_the_new_concept(name: str) -> None:
    one, other = (
        DRIFTS[name].draw(np.random.default_rng(5), before=96, after=after) for after in (0, 64)
    )
    assert (other[0][:96] == one[0]).all()
    assert other[0].dtype == np.float32
    assert len(other[0]) == len(other[1]) == 160
