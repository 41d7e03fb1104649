"""`Shift`: a named change between two concepts, and the records on either side of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Kind = Literal["sequence", "image", "tabular"]

# What any remedy may train on: a few minutes of labelled records, about 150 a class.
AFTER_RECORDS = 1_500
# A point of accuracy between 80 and 90 % has a standard error of 0.5 to 0.6 on so many.
TEST_RECORDS = 4_000
# For the deployed model: enough that it is good before the shift.
BEFORE_RECORDS = 4_000
# To see that it is.
CHECK_RECORDS = 1_000


@dataclass(frozen=True)
class Samples:
    """Labelled records. x: float32 [n, *shape]; target: int64 [n], places of classes."""

    x: NDArray[np.float32]
    target: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Records:
    """before: to train the deployed model on; before_check: to see how good it is there.

    after: the 1,500 records that a remedy may train on; after_test: what it is judged by. No
    record, and in recordings no piece of one, stands in two of them.
    """

    before: Samples
    before_check: Samples
    after: Samples
    after_test: Samples


class Draw(Protocol):
    """The records of one repetition, the same for the same sequence. data: recorded data."""

    def __call__(self, sequence: np.random.SeedSequence, data: Path) -> Records: ...


class Concept(Protocol):
    """Records of one side of a shift, the same for the same state of `randomness`."""

    def __call__(
        self, randomness: np.random.Generator, records: int, *, is_after: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...


class Stream(Protocol):
    """What a model that is deployed on a stream must know of it."""

    @property
    def kind(self) -> Kind: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def classes(self) -> int: ...
    @property
    def champion(self) -> str | None: ...


@dataclass(frozen=True)
class Shift:
    """A row of the table of streams.

    shape: of one record. classes: how many. champion: the operation of the deployed model on every
    edge, where it is a network over sequences. synthetic: generated, or made from recordings by a
    generated change. control: no other architecture is called for, so that none should be released.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    classes: int
    champion: str | None
    synthetic: bool
    control: bool
    draw: Draw


def load(shift: Shift, *, seed: int, data: Path) -> Records:
    """The records of one repetition: the same for the same shift and seed.

    Raises MissingDataError if the shift needs recorded data that `data` does not hold; ValueError
    for a negative seed, and where the records are not as the table says.
    """
    # The name goes in as well: two shifts with one seed must share no noise.
    sequence = np.random.SeedSequence([seed, crc32(shift.name.encode())])
    records = shift.draw(sequence, data)
    for part in (records.before, records.before_check, records.after, records.after_test):
        if part.x.shape != (len(part), *shift.shape):
            raise ValueError(
                f"{shift.name}: expected {len(part)} records of shape {shift.shape}, "
                f"got {part.x.shape}"
            )
        if not 0 <= part.target.min() <= part.target.max() < shift.classes:
            raise ValueError(f"{shift.name}: a target outside its {shift.classes} classes")
    if len(records.after) != AFTER_RECORDS:
        raise ValueError(
            f"{shift.name}: expected {AFTER_RECORDS} records after the shift, "
            f"got {len(records.after)}"
        )
    return records


def generated(concept: Concept) -> Draw:
    """Four independent draws of a concept: 4,000 and 1,000 before, 1,500 and 4,000 after."""

    def draw(sequence: np.random.SeedSequence, data: Path) -> Records:  # noqa: ARG001
        before, before_check, after, after_test = map(np.random.default_rng, sequence.spawn(4))
        return Records(
            before=Samples(*concept(before, BEFORE_RECORDS, is_after=False)),
            before_check=Samples(*concept(before_check, CHECK_RECORDS, is_after=False)),
            after=Samples(*concept(after, AFTER_RECORDS, is_after=True)),
            after_test=Samples(*concept(after_test, TEST_RECORDS, is_after=True)),
        )

    return draw


def balanced(randomness: np.random.Generator, records: int, classes: int) -> NDArray[np.int64]:
    """Classes in random order, each as often as any other give or take one; int64 [records]."""
    return randomness.permutation(np.arange(records, dtype=np.int64) % classes)
