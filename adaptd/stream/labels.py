"""`Labels`: classes that come by themselves, to be joined with their records by id."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.reject import Reject


@dataclass(frozen=True, eq=False)
class Labels:
    """n labels in the order in which they came.

    ids: object [n] of str. target: int64 [n], the class's place in the schema. times: float64 [n],
    POSIX seconds; NaN for one that has none. positions: int64 [n, 2], (partition, offset) of each.
    """

    ids: NDArray[np.object_]
    target: NDArray[np.int64]
    times: NDArray[np.float64]
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def empty(cls) -> "Labels":
        """None."""
        return cls(
            np.empty(0, object),
            np.empty(0, np.int64),
            np.empty(0, np.float64),
            np.empty((0, 2), np.int64),
        )


@dataclass(frozen=True)
class LabelPoll:
    """What one poll gave. positions: partition -> NEXT offset, of every partition known so far."""

    labels: Labels
    rejects: tuple[Reject, ...]
    positions: Mapping[int, int]
    is_exhausted: bool


class LabelSource(Protocol):
    """Where a stream's labels come from. All methods are called from the thread that observes.

    follows_records: whether a label comes as soon as the records have reached its place, so that
    labels are never behind.
    """

    @property
    def follows_records(self) -> bool: ...

    def seek(self, positions: Mapping[int, int]) -> None:
        """As of a `Source`."""
        ...

    def poll(
        self, *, maximum: int, records: Mapping[int, int], are_records_over: bool
    ) -> LabelPoll:
        """At most `maximum` labels, rejected ones counted, without waiting.

        records: the positions that the stream's records have reached. are_records_over: no more of
        them will come.
        Raises SourceUnavailable (transient) and SourceError (permanent).
        """
        ...

    def lag(self) -> Mapping[int, int]:
        """partition -> labels that wait, where that is known. Does not block."""
        ...

    def close(self) -> None:
        """Lets go of files and connections. May be called twice."""
        ...
