"""Two sets of records from one distribution, or not."""

from collections.abc import Callable

import numpy as np
import pytest

from adaptd.drift.two_sample import (
    TwoSample,
    area_under_curve,
    discriminator_test,
    mean_embedding_test,
)

Test = Callable[..., TwoSample]
TESTS = pytest.mark.parametrize("test", [mean_embedding_test, discriminator_test])


def _records(seed: int, number: int, *, gain: float = 1.0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((number, 2, 10)) * gain
    return x.astype(np.float32)


@TESTS
def test_one_distribution_is_rarely_called_two(test: Test) -> None:
    p_values = [
        test(_records(seed, 120), _records(1_000 + seed, 100), seed=seed).p_value
        for seed in range(40)
    ]
    # 2 expected at 0.05; more than 7 with a probability below 1e-3.
    assert sum(p_value <= 0.05 for p_value in p_values) <= 7


@TESTS
def test_a_gain_is_seen_though_no_mean_has_moved(test: Test) -> None:
    found = test(_records(1, 150), _records(2, 150, gain=1.6), seed=0)
    assert found.p_value <= 0.01
    assert found == test(_records(1, 150), _records(2, 150, gain=1.6), seed=0)


def test_missing_values_do_not_stop_it() -> None:
    recent = _records(2, 40)
    recent[:, 0, 0] = np.nan
    assert 0 < discriminator_test(_records(1, 40), recent, seed=0).p_value <= 1


def test_the_area_counts_pairs() -> None:
    is_positive = np.array([True, False, True, False])
    assert area_under_curve(np.array([3.0, 1.0, 2.0, 2.0]), is_positive) == pytest.approx(0.875)
    with pytest.raises(ValueError, match="positives and negatives"):
        area_under_curve(np.ones(3), np.ones(3, bool))
