"""`Source`: where a stream's records come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adaptd.errors import SourceError
from adaptd.stream.batch import Batch
from adaptd.stream.reject import Reject
from adaptd.stream.schema import Schema


@dataclass(frozen=True)
class Poll:
    """What one poll gave. positions: partition -> NEXT offset, of every partition known so far.
    prediction: int64 [n], the place of the class that each record of the batch says was predicted,
    -1 for one that does not; None where records never say it.

    Store the positions together with what was made of the records: a source that is sought to them
    goes on with the first record that is not in there.
    """

    batch: Batch
    rejects: tuple[Reject, ...]
    positions: Mapping[int, int]
    is_exhausted: bool
    prediction: NDArray[np.int64] | None = None


class Source(Protocol):
    """A stream of records. All methods are called from one thread, the one that observes."""

    @property
    def schema(self) -> Schema:
        """What every record of a batch fits."""
        ...

    def seek(self, positions: Mapping[int, int]) -> None:
        """The next poll starts there; partitions that are not named start at their earliest record.

        Does not block. Raises SourceError where a position can never be.
        """
        ...

    def poll(self, *, maximum: int, timeout_seconds: float) -> Poll:
        """At most `maximum` records, rejected ones counted; none if none came within the timeout.

        Blocks about as long as the timeout at most. Raises SourceUnavailable (transient: poll again
        later, nothing is lost) and SourceError (permanent).
        """
        ...

    def lag(self) -> Mapping[int, int]:
        """partition -> records that wait, where that is known. Does not block."""
        ...

    def close(self) -> None:
        """Lets go of files and connections. May be called twice."""
        ...


def only_position(positions: Mapping[int, int], *, name: str) -> int:
    """The position in partition 0 of a source that has no other; 0 where none is stored.

    Raises SourceError for any other partition, or a negative position.
    """
    if set(positions) - {0} or positions.get(0, 0) < 0:
        raise SourceError(
            f"{name}: has partition 0 only, the stored positions are {dict(positions)}. "
            "They belong to another source: give this one a stream name of its own."
        )
    return positions.get(0, 0)
