"""`Counted`: which records a trial has counted, so that it can be held again."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Counted:
    """Numbers of records in the order in which they were counted, and whether the deployed model
    was right about each.

    Numbers rise, and may have gaps: a label that comes late may be of a record that came before
    the members of the trial were there to predict it. What the deployed model said is kept since
    nobody can predict it again where the records brought it along.
    """

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self._hits: list[NDArray[np.bool_]] = []

    def __len__(self) -> int:
        return sum(end - first for first, end in self.ranges)

    @property
    def deployed_hits(self) -> NDArray[np.bool_]:
        """bool [n]: whether the deployed model was right about each record."""
        return np.concatenate(self._hits) if self._hits else np.zeros(0, np.bool_)

    def add(self, first_record: int, deployed_hits: NDArray[np.bool_]) -> None:
        """Counts the records from `first_record` on, as many as there are hits."""
        if not len(deployed_hits):
            return
        end = first_record + len(deployed_hits)
        if self.ranges and self.ranges[-1][1] == first_record:
            self.ranges[-1] = (self.ranges[-1][0], end)
        else:
            self.ranges.append((first_record, end))
        self._hits.append(np.asarray(deployed_hits, np.bool_))

    def state(self) -> dict[str, Any]:
        """As JSON values, exact; a bit for each hit."""
        packed = np.packbits(self.deployed_hits).tobytes()
        return {
            "ranges": [list(pair) for pair in self.ranges],
            "deployed_hits": base64.b64encode(packed).decode("ascii"),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> "Counted":
        """What `state` was taken of. Raises ValueError where it has fewer hits than records."""
        counted = cls()
        counted.ranges = [(int(first), int(end)) for first, end in state["ranges"]]
        packed = np.frombuffer(base64.b64decode(state["deployed_hits"]), np.uint8)
        if 8 * len(packed) < len(counted):
            raise ValueError(f"hits of {len(counted)} records expected, got {8 * len(packed)}")
        counted._hits = [np.unpackbits(packed, count=len(counted)).astype(np.bool_)]
        return counted
