"""`NaiveBayes`: a model to watch where a recording has labels and no model of its own."""

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.spectrum import band_energies, has_spectrum

_LEAST_POWER = 1e-12
# Of the overall variance, added to each class's: a class with few records must not be certain.
_SMOOTHING = 0.05
# Records of a class that its prior is worth before any came.
_PRIOR = 1.0


class NaiveBayes:
    """A Gaussian naive Bayes classifier of values and log band energies, fitted once.

    It stays as it is afterwards: the errors of a model that learns on fall as it does, so they are
    not exchangeable, and a drift is hidden by what it learns from it.
    """

    def __init__(self, x: NDArray[np.float32], target: NDArray[np.int64], *, classes: int) -> None:
        """x: float32 [n, *shape]; target: int64 [n]. Raises ValueError for no records."""
        if not len(x):
            raise ValueError("a model needs records to be fitted on")
        self._classes = classes
        features = _features(x)
        counts = np.bincount(target, minlength=classes)
        self._centre = features.mean(axis=0)
        scale = features.std(axis=0)
        self._scale = np.where(scale > 0, scale, 1.0)
        z = (features - self._centre) / self._scale
        of_class = np.eye(classes)[target].T
        number = np.maximum(counts, 1)[:, None]
        self._means = of_class @ z / number
        variances = of_class @ z**2 / number - self._means**2
        self._variances = np.where(counts[:, None] > 1, variances, 1.0) + _SMOOTHING
        self._log_priors = np.log((counts + _PRIOR) / (counts + _PRIOR).sum())
        # Features say much the same again and again; taken at their word, all would be certain.
        self._weight = 1 / np.sqrt(z.shape[1])

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities, float32 [n, classes]."""
        z = (_features(x) - self._centre) / self._scale
        # The square written out: [n, classes, features] at once would be large for images.
        precision = 1 / self._variances
        squares = z**2 @ precision.T - 2 * z @ (self._means * precision).T
        squares += (self._means**2 * precision).sum(axis=1) + np.log(self._variances).sum(axis=1)
        logits = self._log_priors - 0.5 * self._weight * squares
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _features(x: NDArray[np.float32]) -> NDArray[np.float64]:
    flat = np.nan_to_num(x.reshape(len(x), -1).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if not has_spectrum(x.shape[1:]):
        return flat
    energies = np.log(band_energies(x) + _LEAST_POWER).reshape(len(x), -1)
    return np.concatenate([flat, energies], axis=1)
