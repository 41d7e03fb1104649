"""`Answers`: who was right about labelled records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state
from adaptd.observer.joined import Joined
from adaptd.observer.score import score


@dataclass(frozen=True, eq=False)
class Answers:
    """Of n consecutive labelled records.

    first_record: the number of the first. positions: int64 [n, 2] (partition, offset). hits:
    predictor -> bool [n], of all who predicted them when they came.
    """

    first_record: int
    positions: NDArray[np.int64]
    hits: Mapping[str, NDArray[np.bool_]]

    @classmethod
    def of(cls, joined: Joined, *, first_record: int) -> "Answers":
        """Labelled records with what was predicted of them, judged."""
        target = joined.batch.target
        return cls(
            first_record,
            joined.batch.positions,
            {name: score(said, target)[0] for name, said in joined.predictions.items()},
        )

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, records: slice) -> "Answers":
        """Those of a slice, of step 1."""
        start, stop, _ = records.indices(len(self))
        return Answers(
            self.first_record + start,
            self.positions[start:stop],
            {name: right[start:stop] for name, right in self.hits.items()},
        )

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "first_record": self.first_record,
            "positions": to_state(self.positions),
            "hits": {name: to_state(right) for name, right in self.hits.items()},
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "Answers":
        """What `state` was taken of."""
        return cls(
            int(state["first_record"]),
            from_state(state["positions"]),
            {name: from_state(right) for name, right in state["hits"].items()},
        )
