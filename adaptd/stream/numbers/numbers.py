"""`Numbers`: how a decoded record holds the numbers that the model takes."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Numbers(Protocol):
    """One encoding. What is read may hold NaN, also for a number that is missing where that is
    allowed, and infinity, also for a number beyond float32."""

    def read(self, record: Any, out: NDArray[np.float32]) -> None:
        """Into out, float32 [*shape]. Raises UnfitRecordError: missing-field, wrong-type,
        wrong-shape, not-finite."""
        ...

    def read_all(self, records: Sequence[Any]) -> NDArray[np.float32] | None:
        """float32 [n, *shape], of one or more records; None if one of them does not fit, or is of
        an unusual kind."""
        ...

    def write(self, record: dict[str, Any], x: NDArray[np.float32], *, is_text: bool) -> None:
        """Sets the fields of a record so that they are read as x. is_text: its format has no
        bytes. Raises OverflowError where the encoding has no such number."""
        ...
