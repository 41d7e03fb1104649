"""Tables whose classes are decided by several features together, and by none of them alone."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.streams.shift import Concept

FEATURES = 16
CLASSES = 2

# Multipliers of the features after a change of gain, half to double, from a fixed seed: the same
# device for every repetition.
GAINS = 2.0 ** np.random.default_rng(16).uniform(-1, 1, FEATURES)


def interactions(
    *, order_before: int, order_after: int, gains_after: NDArray[np.float64] | None = None
) -> Concept:
    """The class is whether the product of the first `order` features is positive, as in XOR.

    x: float32 [records, 16], standard normal, after the shift multiplied by `gains_after`.
    """

    def concept(
        randomness: np.random.Generator, records: int, *, is_after: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        x = randomness.standard_normal((records, FEATURES))
        order = order_after if is_after else order_before
        target = (x[:, :order].prod(axis=1) > 0).astype(np.int64)
        if is_after and gains_after is not None:
            x = x * gains_after
        return x.astype(np.float32), target

    return concept
