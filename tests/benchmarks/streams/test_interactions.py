from pathlib import Path

import numpy as np
import pytest

from benchmarks.streams import STREAMS, Samples, load
from benchmarks.streams.interactions import GAINS

NOWHERE = Path("nowhere")


def _agreement(samples: Samples, order: int) -> float:
    """Of the class with the sign of the product of the first features."""
    return float(((samples.x[:, :order].prod(axis=1) > 0) == samples.target).mean())


def test_two_features_decide_before_and_three_after() -> None:
    records = load(STREAMS["interaction-order"], seed=0, data=NOWHERE)
    for part in (records.before, records.before_check):
        assert _agreement(part, 2) == 1
        assert _agreement(part, 3) == pytest.approx(0.5, abs=0.07)
    for part in (records.after, records.after_test):
        assert _agreement(part, 3) == 1
        assert _agreement(part, 2) == pytest.approx(0.5, abs=0.07)


def test_no_feature_alone_tells_the_class() -> None:
    records = load(STREAMS["interaction-order"], seed=0, data=NOWHERE)
    for part in (records.before, records.after_test):
        signs = 2 * part.target - 1
        # A standard error of 0.016 over 4,000; 16 features on two sides, 5 of them.
        assert abs((part.x * signs[:, None]).mean(axis=0)).max() < 0.08


def test_the_control_changes_gains_alone() -> None:
    records = load(STREAMS["control-tabular"], seed=0, data=NOWHERE)
    assert _agreement(records.before, 2) == _agreement(records.after_test, 2) == 1
    gains = records.after_test.x.std(axis=0) / records.before.x.std(axis=0)
    np.testing.assert_allclose(gains, GAINS, rtol=0.08)
    assert GAINS.min() < 0.75
    assert GAINS.max() > 1.3
