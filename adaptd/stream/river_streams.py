"""The generators of data-stream research, from `river.datasets.synth`: the concepts of tables."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

# From river's module, a seed, and which concept: to a data set of river's.
Make = Callable[[Any, int, bool], Any]

# Which columns LED has after its drift: its seven segments change places with seven that mean
# nothing, as in river's LEDDrift; there another seed would mean other places.
_LED_AFTER = (*range(7, 14), *range(7), *range(14, 24))


@dataclass(frozen=True)
class RiverStream:
    """Two concepts of a generator, and records of them.

    features, classes: their names, in the generator's order. columns_after: which of the columns,
    in order, are the features of the new concept; None: as before.
    """

    name: str
    summary: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    make: Make
    columns_after: tuple[int, ...] | None = None

    def draw(
        self, randomness: np.random.Generator, records: int, *, is_after: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Records of one concept: x float32 [records, features], class int64 [records]."""
        # Only here: importing river takes most of a second, and most streams are others.
        synth = import_module("river.datasets.synth")
        data = self.make(synth, int(randomness.integers(2**32)), is_after)
        x = np.empty((records, len(self.features)), np.float32)
        target = np.empty(records, np.int64)
        for row, (values, label) in enumerate(data.take(records)):
            x[row] = list(values.values())
            target[row] = label
        if is_after and self.columns_after is not None:
            x = x[:, self.columns_after]
        return x, target


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"x{place}" for place in range(count))


_TWO = ("no", "yes")

SEA = RiverStream(
    name="sea",
    # Street & Kim 2001, "A streaming ensemble algorithm (SEA) for large-scale classification".
    summary="SEA: a sum of two of three numbers is above 8, later 9.5; a tenth are mislabelled",
    features=_numbered(3),
    classes=_TWO,
    make=lambda synth, seed, is_after: synth.SEA(
        variant=3 if is_after else 0, noise=0.1, seed=seed
    ),
)

AGRAWAL = RiverStream(
    name="agrawal",
    # Agrawal, Imielinski & Swami 1993, "Database mining: a performance perspective".
    summary="Agrawal: who gets a loan, by age, later by age and education (functions 0, 2)",
    features=(
        "salary",
        "commission",
        "age",
        "elevel",
        "car",
        "zipcode",
        "hvalue",
        "hyears",
        "loan",
    ),
    classes=_TWO,
    make=lambda synth, seed, is_after: synth.Agrawal(
        classification_function=2 if is_after else 0, seed=seed
    ),
)

RIVER_STREAMS = (
    SEA,
    RiverStream(
        name="sine",
        # Gama, Medas, Castillo & Rodrigues 2004, "Learning with drift detection"; so are the next
        # two, after Schlimmer & Granger 1986, "Incremental learning from noisy data".
        summary="SINE1: below a sine or above it, and the other way round; two more mean nothing",
        features=_numbered(4),
        classes=_TWO,
        make=lambda synth, seed, is_after: synth.Sine(
            classification_function=int(is_after), has_noise=True, seed=seed
        ),
    ),
    RiverStream(
        name="mixed",
        summary="Mixed: two booleans and a curve agree, and the other way round",
        features=_numbered(4),
        classes=_TWO,
        make=lambda synth, seed, is_after: synth.Mixed(
            classification_function=int(is_after), seed=seed
        ),
    ),
    RiverStream(
        name="stagger",
        summary="STAGGER: small and red, later green or a circle; three values each",
        features=("size", "color", "shape"),
        classes=_TWO,
        make=lambda synth, seed, is_after: synth.STAGGER(
            classification_function=int(is_after), seed=seed
        ),
    ),
    RiverStream(
        name="led",
        # Breiman, Friedman, Olshen & Stone 1984, "Classification and regression trees".
        summary="LED: a digit's seven segments change places with seven of 17 that mean nothing",
        features=_numbered(24),
        classes=tuple(f"digit-{digit}" for digit in range(10)),
        make=lambda synth, seed, is_after: synth.LED(  # noqa: ARG005  (its columns say which)
            noise_percentage=0.1, irrelevant_features=True, seed=seed
        ),
        columns_after=_LED_AFTER,
    ),
    AGRAWAL,
    RiverStream(
        name="random-rbf",
        # Bifet, Holmes, Pfahringer, Kirkby & Gavaldà 2009, "New ensemble methods for evolving data
        # streams".
        summary="random RBF: clouds around 50 centroids of four classes, later around 50 others",
        features=_numbered(10),
        classes=tuple(f"class-{place}" for place in range(4)),
        make=lambda synth, seed, is_after: synth.RandomRBF(
            seed_model=int(is_after), seed_sample=seed, n_classes=4
        ),
    ),
    RiverStream(
        name="random-tree",
        # Domingos & Hulten 2000, "Mining high-speed data streams".
        summary="random tree: a decision tree over ten features, later another one",
        features=_numbered(10),
        classes=_TWO,
        make=lambda synth, seed, is_after: synth.RandomTree(
            seed_tree=int(is_after),
            seed_sample=seed,
            n_cat_features=2,
            n_num_features=8,
            n_categories_per_feature=3,
        ),
    ),
)
