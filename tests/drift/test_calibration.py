"""Claims against hits."""

import numpy as np
import pytest

from adaptd.drift.calibration import calibration_error, reliability


def test_a_model_that_is_right_as_often_as_it_says_has_no_error() -> None:
    confidence = np.repeat([0.55, 0.95], 100)
    hits = np.concatenate([np.arange(100) < 55, np.arange(100) < 95])
    assert calibration_error(reliability(confidence, hits)) == pytest.approx(0, abs=1e-12)


def test_one_that_claims_more_has_the_difference_and_sums_can_be_added() -> None:
    one = reliability(np.full(50, 0.9), np.arange(50) < 20)
    other = reliability(np.full(50, 1.0), np.arange(50) < 25)
    # Both fall in the last bin: 0.95 claimed, 0.45 held.
    assert calibration_error(one + other) == pytest.approx(0.5)
    assert calibration_error(np.zeros((10, 3))) == 0
