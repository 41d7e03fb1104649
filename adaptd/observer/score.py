"""`score`: how good predictions were, record by record."""

import math

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.loss import LOSS_LIMIT


def score(
    probabilities: NDArray[np.float32], target: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Hits and losses. Each record's depend on that record alone.

    probabilities: float32 [n, classes]. target: int64 [n], the class's place.
    Returns hits, bool [n] (the first of equally likely classes is the prediction), and log losses,
    float64 [n], in nats, clipped to LOSS_LIMIT. A record with a probability that is not finite is a
    miss and loses LOSS_LIMIT.
    Raises ValueError if the lengths differ or a class is unknown.
    """
    if probabilities.ndim != 2 or target.shape != (len(probabilities),):
        raise ValueError(
            f"expected probabilities [n, classes] and target [n], "
            f"got {list(probabilities.shape)} and {list(target.shape)}"
        )
    classes = probabilities.shape[1]
    if ((target < 0) | (target >= classes)).any():
        raise ValueError(
            f"targets must be in 0 to {classes - 1}, got {target.min()} to {target.max()}"
        )
    # A finite record may be so large that a network's sums overflow on it. One such record must not
    # stop the stream: it is read again at each start.
    is_answered = np.isfinite(probabilities).all(axis=1)
    hits = (probabilities.argmax(axis=1) == target) & is_answered
    chosen = probabilities[np.arange(len(target)), target].astype(np.float64)
    likelihood = np.where(is_answered, chosen, 0.0)
    losses = -np.log(np.clip(likelihood, math.exp(-LOSS_LIMIT), 1.0))
    # exp and log need not cancel to the last bit, and the detector refuses more than the limit.
    return hits, np.clip(losses, 0.0, LOSS_LIMIT)


def certain(prediction: NDArray[np.int64], otherwise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Answers of somebody who names a class, as probabilities: 1 for that class.

    prediction: int64 [n], the class's place, -1 for a record without an answer. otherwise: float32
    [n, classes], probabilities that stand there instead.
    """
    probabilities = otherwise.copy()
    is_answered = prediction >= 0
    probabilities[is_answered] = np.eye(otherwise.shape[1], dtype=np.float32)[
        prediction[is_answered]
    ]
    return probabilities
