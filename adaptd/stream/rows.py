"""`Rows`: consecutive rows of a recorded stream, as its file gives them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.reject import UnfitRecordError


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows. values: float32 [n, size], channel-major, writable; NaN where a number
    is missing that may be. targets: [n] as recorded.

    faults: row -> why it does not fit, as far as the format shows; its values then mean nothing.
    payload: gives a row as bytes, for the place where rejected records go. ids: [n] or None where
    the format has none; times: POSIX seconds, float64 [n], NaN for a row without, or None likewise.
    prediction: int64 [n], the place of the class that the row says was predicted, -1 for a row
    without, or None likewise. weight: float32 [n], or None likewise.
    """

    values: NDArray[np.float32]
    targets: Sequence[object]
    faults: Mapping[int, UnfitRecordError]
    payload: Callable[[int], bytes]
    ids: Sequence[str | None] | None = None
    times: NDArray[np.float64] | None = None
    prediction: NDArray[np.int64] | None = None
    weight: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.values)


class RowReader(Protocol):
    """A file that gives its rows from front to back. Opening it raises SourceError."""

    @property
    def total(self) -> int | None:
        """Rows in the file; None where only reading it all would tell."""
        ...

    def skip_to(self, row: int) -> int:
        """The next row read is that one, or the one after the last; returns its number. Rows are
        numbered from 0, header lines left out."""
        ...

    def read(self, maximum: int) -> Rows:
        """The next rows, fewer only at the end. Raises SourceError for a damaged file."""
        ...

    def close(self) -> None: ...
