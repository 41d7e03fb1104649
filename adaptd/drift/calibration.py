"""Whether a model is right as often as it says."""

import numpy as np
from numpy.typing import NDArray

BINS = 10


def reliability(
    confidence: NDArray[np.float64], hits: NDArray[np.bool_], *, bins: int = BINS
) -> NDArray[np.float64]:
    """Sums by bin of equal width: records, confidence, hits; float64 [bins, 3]. They can be added.

    confidence: in [0, 1], [n]. hits: bool [n].
    """
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    columns = (np.ones(len(hits)), confidence, hits.astype(np.float64))
    return np.stack([np.bincount(place, column, minlength=bins) for column in columns], axis=1)


def calibration_error(sums: NDArray[np.float64]) -> float:
    """The expected calibration error, 0 to 1, of what `reliability` gave; 0 without records.

    Source: Naeini, Cooper & Hauskrecht 2015, "Obtaining well calibrated probabilities using
    Bayesian binning".
    """
    records = sums[:, 0].sum()
    return float(np.abs(sums[:, 1] - sums[:, 2]).sum() / records) if records else 0.0
