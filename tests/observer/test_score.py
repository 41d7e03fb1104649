import math
import warnings

import numpy as np
import pytest

from adaptd.drift.loss import LOSS_LIMIT
from adaptd.observer.score import certain, score


def probabilities(*rows: tuple[float, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(rows, np.float32).reshape(len(rows), -1)


def test_hits_and_log_losses() -> None:
    hits, losses = score(
        probabilities((0.5, 0.25, 0.25), (0.5, 0.25, 0.25)), np.array([0, 2], np.int64)
    )
    assert hits.dtype == np.bool_
    assert losses.dtype == np.float64
    assert hits.tolist() == [True, False]
    assert losses == pytest.approx([math.log(2), math.log(4)])


def test_losses_stay_within_their_limits() -> None:
    _, losses = score(
        probabilities((1.0, 0.0), (0.0, 1.0), (1e-30, 1.0), (1.0000001, 0.0)),
        np.array([1, 0, 0, 0], np.int64),
    )
    assert losses.tolist() == [LOSS_LIMIT, LOSS_LIMIT, LOSS_LIMIT, 0.0]


def test_first_of_equally_likely_classes_is_the_prediction() -> None:
    hits, _ = score(probabilities((0.5, 0.5), (0.5, 0.5)), np.array([0, 1], np.int64))
    assert hits.tolist() == [True, False]


def test_no_records_give_no_scores() -> None:
    hits, losses = score(np.empty((0, 3), np.float32), np.empty(0, np.int64))
    assert len(hits) == len(losses) == 0


@pytest.mark.parametrize("target", [-1, 2])
def test_unknown_class_is_refused(target: int) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        score(probabilities((0.5, 0.5)), np.array([target], np.int64))


def test_records_without_a_target_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[n, classes\]"):
        score(probabilities((0.5, 0.5), (0.5, 0.5)), np.array([1], np.int64))


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("target", [0, 1])
def test_a_record_without_finite_probabilities_is_a_miss_and_concerns_no_other(
    odd: float, target: int
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hits, losses = score(
            probabilities((0.25, 0.75), (odd, 0.5), (odd, odd), (0.75, 0.25)),
            np.array([1, target, target, 0], np.int64),
        )
    assert hits.tolist() == [True, False, False, True]
    assert losses.tolist()[1:3] == [LOSS_LIMIT, LOSS_LIMIT]
    assert losses[[0, 3]] == pytest.approx(-math.log(0.75))


def test_a_class_that_was_named_is_certain_and_a_record_without_keeps_what_stood_there() -> None:
    otherwise = np.full((3, 4), 0.25, np.float32)
    said = certain(np.array([2, -1, 0]), otherwise)
    assert said.tolist() == [[0, 0, 1, 0], [0.25] * 4, [1, 0, 0, 0]]
    hits, losses = score(said, np.array([2, 0, 1]))
    assert hits.tolist() == [True, True, False]
    assert losses[0] == 0
    assert losses[2] == LOSS_LIMIT
    assert (otherwise == 0.25).all()
