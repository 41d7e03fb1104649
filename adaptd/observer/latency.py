"""How long a prediction on one record takes."""

from collections.abc import Mapping

import numpy as np

from adaptd.clock import Clock, SystemClock
from adaptd.observer.predictor import Predictor

# So many at most, and so few at least once that much time is over.
_ROUNDS = 50
_FEWEST_ROUNDS = 5
_WARM_UP_ROUNDS = 5
_SECONDS = 5.0


def prediction_seconds(
    predictors: Mapping[str, Predictor], *, clock: Clock | None = None
) -> dict[str, float]:
    """Of each, in seconds: the least of up to 50 predictions on a record, taken in turn.

    The least, since whatever else the machine does only adds to it.
    """
    clock = clock or SystemClock()
    least = dict.fromkeys(predictors, float("inf"))
    records = {name: np.zeros((1, *one.shape), np.float32) for name, one in predictors.items()}
    begun = clock.monotonic()
    for turn in range(_WARM_UP_ROUNDS + _ROUNDS):
        for name, predictor in predictors.items():
            started = clock.monotonic()
            predictor.predict(records[name])
            taken = clock.monotonic() - started
            if turn >= _WARM_UP_ROUNDS:
                least[name] = min(least[name], taken)
        is_late = clock.monotonic() - begun > _SECONDS
        if is_late and turn >= _WARM_UP_ROUNDS + _FEWEST_ROUNDS - 1:
            break
    return least
