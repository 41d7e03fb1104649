"""`Profile`: the figures of each block that a diagnosis is made of."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state
from adaptd.drift.block import SignalBlock, joined
from adaptd.drift.calibration import reliability
from adaptd.drift.signals.faults import Faults
from adaptd.drift.signals.moments import Moments
from adaptd.drift.signals.outputs import confidence
from adaptd.drift.spectrum import band_energies, has_spectrum

# Blocks before the latest ones that a diagnosis may look back on.
RECENT_BLOCKS = 64
# Of the reference that spreads are taken from; the training blocks are not among them.
_REFERENCE_BLOCKS = 512
# Records of a class below which its mean is that of all.
_FEWEST_OF_CLASS = 5
# Standard deviations: one wild value must not be what a mean says.
_CLIP = 8.0
# Blocks of which one less is still enough for a diagnosis.
_MANY = 4
_LEAST = 1e-12

Figures = Mapping[str, NDArray[np.float64]]


class Profile:
    """Figures by name, of each reference block and of the latest `RECENT_BLOCKS`.

    mean, log_variance [channels]: of all values. energies [channels * bands]: of sequences and
    images. marginal, conditional [features]: how far the records' features lie from their mean, and
    from that of their class, in standard deviations; a record's class is its label, else what is
    predicted; without either there is no `conditional`. predicted, labels [classes]: counts.
    misses [2]: of the block, and its records. reliability [30]: sums as `calibration.reliability`
    has them. faults [channels * 3]: as `Faults.excess`.

    classes: how many there are.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._faults = Faults()
        self._is_fitted = False
        self._centre: NDArray[np.float64] = np.empty(0)
        self._scale: NDArray[np.float64] = np.empty(0)
        self._class_centres: NDArray[np.float64] = np.empty((0, 0))
        self._class_scale: NDArray[np.float64] = np.empty(0)
        self._reference: deque[Figures] = deque(maxlen=_REFERENCE_BLOCKS)
        self._recent: deque[tuple[int, Figures]] = deque(maxlen=RECENT_BLOCKS)

    @property
    def is_fitted(self) -> bool:
        return self._is_fitted

    @property
    def reference(self) -> Figures:
        """name -> float64 [blocks, figures]."""
        return _stacked(list(self._reference))

    def recent(self, since_record: int) -> Figures:
        """name -> float64 [blocks, figures], of the blocks that begin there or later, at least the
        latest one; empty before the first block. Of many, the first is left out: dates of changes
        are often early by a block."""
        chosen = [figures for first, figures in self._recent if first >= since_record]
        if len(chosen) >= _MANY:
            del chosen[0]
        return _stacked(chosen or [figures for _, figures in list(self._recent)[-1:]])

    def broken(self, block: SignalBlock) -> dict[int, str]:
        """Channel -> what it has, as `Faults.broken`."""
        return self._faults.broken(block)

    def fit(self, training: Sequence[SignalBlock]) -> None:
        """Learns where features lie in general, and in each class."""
        self._faults.fit(training)
        together = joined(training)
        features = _features(together)
        self._centre, self._scale = features.mean(axis=0), features.std(axis=0) + _LEAST
        classes = _classes(together)
        if classes is not None:
            self._fit_classes(features, classes)
        self._is_fitted = True

    def take(self, block: SignalBlock, *, is_reference: bool) -> None:
        """Keeps the figures of a block."""
        figures = self._of(block)
        if is_reference:
            self._reference.append(figures)
        self._recent.append((block.first_record, figures))

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        if not self._is_fitted:
            return {}
        arrays = (self._centre, self._scale, self._class_centres, self._class_scale)
        return {
            "faults": self._faults.state(),
            "arrays": [to_state(array) for array in arrays],
            "reference": [_figures_state(figures) for figures in self._reference],
            "recent": [[first, _figures_state(figures)] for first, figures in self._recent],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.reset()
        if not state:
            return
        self._faults.restore(state["faults"])
        self._centre, self._scale, self._class_centres, self._class_scale = map(
            from_state, state["arrays"]
        )
        self._reference.extend(map(_figures_from_state, state["reference"]))
        self._recent.extend(
            (int(first), _figures_from_state(figures)) for first, figures in state["recent"]
        )
        self._is_fitted = True

    def _fit_classes(self, features: NDArray[np.float64], classes: NDArray[np.int64]) -> None:
        counts = np.bincount(classes, minlength=self._classes)
        sums = np.zeros((self._classes, features.shape[1]))
        np.add.at(sums, classes, features)
        means = sums / np.maximum(counts, 1)[:, None]
        self._class_centres = np.where(counts[:, None] >= _FEWEST_OF_CLASS, means, self._centre)
        self._class_scale = (features - self._class_centres[classes]).std(axis=0) + _LEAST

    def _of(self, block: SignalBlock) -> Figures:
        features = _features(block)
        mean, log_variance = np.split(Moments().of(block), 2)
        found = {
            "mean": mean,
            "log_variance": log_variance,
            "marginal": _clipped(features - self._centre, self._scale),
            "faults": self._faults.excess(block).ravel(),
        }
        if has_spectrum(block.x.shape[1:]):
            found["energies"] = band_energies(block.x).mean(axis=0).ravel()
        classes = _classes(block)
        if classes is not None and len(self._class_scale):
            found["conditional"] = _clipped(
                features - self._class_centres[classes], self._class_scale
            )
        if block.predicted is not None:
            found["predicted"] = self._counts(block.predicted)
        if block.target is not None:
            found["labels"] = self._counts(block.target)
        if block.hits is not None:
            found["misses"] = np.array([(~block.hits).sum(), len(block)], np.float64)
            if block.probabilities is not None:
                sums = reliability(confidence(block.probabilities), block.hits)
                found["reliability"] = sums.ravel()
        return found

    def _counts(self, classes: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.bincount(classes, minlength=self._classes).astype(np.float64)


def _features(block: SignalBlock) -> NDArray[np.float64]:
    """Of each record, float64 [n, features]: the mean of each channel, and the logarithms of its
    variance and band energies where it has several positions; of a table, squares as well."""
    values = np.nan_to_num(block.channels, nan=0.0, posinf=0.0, neginf=0.0)
    means = values.mean(axis=2)
    if values.shape[2] == 1:
        return np.concatenate([means, means**2], axis=1)
    parts = [means, np.log(values.var(axis=2) + _LEAST)]
    if has_spectrum(block.x.shape[1:]):
        parts.append(np.log(band_energies(block.x) + _LEAST).reshape(len(block), -1))
    return np.concatenate(parts, axis=1)


def _clipped(around: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.clip(around / scale, -_CLIP, _CLIP).mean(axis=0))


def _classes(block: SignalBlock) -> NDArray[np.int64] | None:
    return block.target if block.target is not None else block.predicted


def _stacked(figures: Sequence[Figures]) -> Figures:
    """Only those that every block has."""
    if not figures:
        return {}
    names = [name for name in figures[0] if all(name in one for one in figures)]
    return {name: np.array([one[name] for one in figures]) for name in names}


def _figures_state(figures: Figures) -> dict[str, Any]:
    return {name: to_state(values) for name, values in figures.items()}


def _figures_from_state(state: Mapping[str, Any]) -> Figures:
    return {name: from_state(values) for name, values in state.items()}
