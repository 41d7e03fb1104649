"""What the join of labels gives: labelled records, and what became of the rest."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.batch import Batch

# What became of a label: put to its record; said twice; said twice, and differently; never found
# its record in time.
LabelFate = Literal["joined", "duplicate", "conflicting", "unmatched"]
# What became of a record that no label was put to: none came in time; its id had come before.
RecordFate = Literal["unlabelled", "duplicate"]

LABEL_FATES: tuple[LabelFate, ...] = ("joined", "duplicate", "conflicting", "unmatched")
RECORD_FATES: tuple[RecordFate, ...] = ("unlabelled", "duplicate")

Predictions = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Joined:
    """Labelled records in the order in which they became so, and what was predicted of them when
    they came.

    predictions: predictor -> float32 [n, classes], of all who predicted these records.
    """

    batch: Batch
    predictions: Predictions

    def __getitem__(self, records: slice) -> "Joined":
        """Those of a slice; views, nothing is copied."""
        return Joined(
            self.batch[records], {name: said[records] for name, said in self.predictions.items()}
        )


@dataclass(frozen=True)
class Conflict:
    """A label that says something else than the first one of its id did. The first one counts."""

    id: str
    first: int
    target: int
    partition: int
    offset: int


@dataclass
class Tally:
    """What has happened since the last one. delays: seconds from a record's time to its label's."""

    labels: Counter[LabelFate] = field(default_factory=Counter)
    records: Counter[RecordFate] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
