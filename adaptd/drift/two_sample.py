"""Whether two sets of records come from one distribution: dear tests, for use on suspicion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Random features; the error of the kernel they stand for falls with the root of their number.
_FEATURES = 256
_PERMUTATIONS = 200
# Newton steps of the classifier, and the weight of its ridge: enough for a few hundred records.
_STEPS, _RIDGE = 8, 1.0
# Values of a record beyond which it is projected before the classifier sees it.
_MOST_VALUES = 64


@dataclass(frozen=True)
class TwoSample:
    """statistic: of the test. p_value: share of random splits of all records that are as far apart,
    in (0, 1]."""

    statistic: float
    p_value: float


def mean_embedding_test(
    reference: NDArray[np.float32], recent: NDArray[np.float32], *, seed: int
) -> TwoSample:
    """The maximum mean discrepancy by random features, of a Gaussian kernel of median width.

    Both: float32 [n, *shape], at least two records each. statistic: the squared distance of the
    mean features.
    Source: Gretton et al. 2012, "A kernel two-sample test"; Rahimi & Recht 2007, "Random features
    for large-scale kernel machines".
    """
    randomness = np.random.default_rng(seed)
    x = _standardised(reference, recent)
    pairs = randomness.integers(0, len(x), (2, 1_000))
    width = float(np.median(np.linalg.norm(x[pairs[0]] - x[pairs[1]], axis=1))) or 1.0
    projected = x @ (randomness.standard_normal((x.shape[1], _FEATURES)) / width)
    phase = randomness.uniform(0, 2 * np.pi, _FEATURES)
    features = np.sqrt(2 / _FEATURES) * np.cos(projected + phase)
    number = len(reference)

    def distance(order: NDArray[np.int64]) -> float:
        apart = features[order[:number]].mean(axis=0) - features[order[number:]].mean(axis=0)
        return float(apart @ apart)

    own = distance(np.arange(len(x)))
    others = [distance(randomness.permutation(len(x))) for _ in range(_PERMUTATIONS)]
    return TwoSample(own, _share(own, others))


def discriminator_test(
    reference: NDArray[np.float32], recent: NDArray[np.float32], *, seed: int
) -> TwoSample:
    """How well a linear classifier tells recent records from reference ones, on the held-out half.

    Both: float32 [n, *shape], at least 8 records each. statistic: the area under its ROC curve;
    0.5 where nothing tells them apart; what D3 calls drift is 0.7 and more.
    Source: Gözüaçık, Büyükçakır, Bonab & Can 2019, "Unsupervised concept drift detection with a
    discriminative classifier".
    """
    randomness = np.random.default_rng(seed)
    x = _standardised(reference, recent)
    if x.shape[1] > _MOST_VALUES:
        x = x @ (randomness.standard_normal((x.shape[1], _MOST_VALUES)) / np.sqrt(x.shape[1]))
    # A gain or more noise moves no mean: squares let a linear classifier see them.
    x = np.concatenate([x, x**2, np.ones((len(x), 1))], axis=1)
    is_recent = np.arange(len(x)) >= len(reference)
    # One half each, of both sides: what is held out is then exchangeable under the hypothesis,
    # which scores of several folds together are not.
    is_held_out = np.zeros(len(x), bool)
    for side in (np.flatnonzero(~is_recent), np.flatnonzero(is_recent)):
        is_held_out[randomness.permutation(side)[: len(side) // 2]] = True
    coefficients = _logistic(x[~is_held_out], is_recent[~is_held_out])
    scores, labels = x[is_held_out] @ coefficients, is_recent[is_held_out]
    own = area_under_curve(scores, labels)
    others = [
        area_under_curve(scores, randomness.permutation(labels)) for _ in range(_PERMUTATIONS)
    ]
    return TwoSample(own, _share(own, others))


def area_under_curve(scores: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float:
    """The chance that a positive one scores higher than a negative one, ties counted half.

    Raises ValueError without one of each.
    """
    positives, negatives = scores[is_positive], np.sort(scores[~is_positive])
    if not len(positives) or not len(negatives):
        raise ValueError("an area under a curve needs positives and negatives")
    below = np.searchsorted(negatives, positives, side="left")
    up_to = np.searchsorted(negatives, positives, side="right")
    return float((below + up_to).mean() / 2 / len(negatives))


def _standardised(
    reference: NDArray[np.float32], recent: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Both together, [n, values], by the reference's mean and spread; missing ones are the mean."""
    flat = [side.reshape(len(side), -1).astype(np.float64) for side in (reference, recent)]
    own = np.where(np.isfinite(flat[0]), flat[0], np.nan)
    centre, scale = np.nan_to_num(np.nanmean(own, axis=0)), np.nan_to_num(np.nanstd(own, axis=0))
    # A value that never moved in the reference is looked at in its own unit.
    x = (np.concatenate(flat) - centre) / np.where(scale > 0, scale, 1.0)
    return np.asarray(np.clip(np.nan_to_num(x, nan=0.0), -20.0, 20.0))


def _logistic(x: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Ridge logistic regression by Newton's method, both sides weighing the same."""
    weight = np.where(is_positive, 0.5 / is_positive.mean(), 0.5 / (1 - is_positive.mean()))
    coefficients = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ coefficients, -30, 30)))
        gradient = x.T @ (weight * (chance - is_positive)) + _RIDGE * coefficients
        curvature = (x * (weight * chance * (1 - chance))[:, None]).T @ x
        curvature += _RIDGE * np.eye(x.shape[1])
        coefficients -= np.linalg.solve(curvature, gradient)
    return coefficients


def _share(own: float, others: list[float]) -> float:
    return (1 + sum(other >= own for other in others)) / (1 + len(others))
