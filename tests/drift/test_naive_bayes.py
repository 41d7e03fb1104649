"""The model of recordings that have none."""

import numpy as np
import pytest

from adaptd.drift.naive_bayes import NaiveBayes


@pytest.mark.parametrize("shape", [(5,), (1, 32), (1, 12, 12)])
def test_it_tells_classes_that_differ_in_mean_or_spread(shape: tuple[int, ...]) -> None:
    def records(seed: int) -> tuple[np.ndarray, np.ndarray]:
        randomness = np.random.default_rng(seed)
        target = randomness.integers(0, 3, 600)
        level = np.array([0.0, 2.0, 0.0])[target].reshape(-1, *(1 for _ in shape))
        spread = np.array([1.0, 1.0, 4.0])[target].reshape(-1, *(1 for _ in shape))
        x = level + spread * randomness.standard_normal((600, *shape))
        return x.astype(np.float32), target

    model = NaiveBayes(*records(0), classes=4)
    x, target = records(1)
    probabilities = model.predict(x)
    assert probabilities.shape == (600, 4)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (probabilities.argmax(axis=1) == target).mean() > 0.85
    # A class that never came is not what is predicted.
    assert (probabilities.argmax(axis=1) != 3).all()


def test_no_records_are_refused() -> None:
    with pytest.raises(ValueError, match="records"):
        NaiveBayes(np.empty((0, 3), np.float32), np.empty(0, np.int64), classes=2)
