"""`ArrayNumbers`: numbers nested in one field as the shape is."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.layout import needed, optional, put
from adaptd.stream.reject import UnfitRecordError, shown

# Types of numbers; a boolean is none of them.
_NUMBERS = frozenset({int, float})
_OR_MISSING = _NUMBERS | {type(None)}


class ArrayNumbers:
    """name: of the field. shape: of one record. may_lack: whether null is a number that is
    missing."""

    def __init__(self, name: str, shape: tuple[int, ...], *, may_lack: bool) -> None:
        self._name = name
        self._shape = shape
        self._values = optional(name)
        self._needed_values = needed(name)
        self._allowed = _OR_MISSING if may_lack else _NUMBERS

    def read(self, record: Any, out: NDArray[np.float32]) -> None:
        values = self._values(record)
        if values is None:
            raise UnfitRecordError("missing-field", f"no {self._name}")
        self._fill(out, values)

    def read_all(self, records: Sequence[Any]) -> NDArray[np.float32] | None:
        try:
            values = list(map(self._needed_values, records))
            rows: list[Any] = values
            for _ in self._shape[1:]:
                rows = list(chain.from_iterable(rows))
            # Also of a dictionary's keys or a text's letters, which are no numbers.
            if not self._allowed.issuperset(map(type, chain.from_iterable(rows))):
                return None
            x = np.array(values, np.float64)
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        if x.shape != (len(values), *self._shape):
            return None
        with np.errstate(over="ignore"):
            return x.astype(np.float32)

    def write(self, record: dict[str, Any], x: NDArray[np.float32], *, is_text: bool) -> None:
        # As text the shortest that is read as the same float32.
        put(record, self._name, np.ascontiguousarray(x) if is_text else x.tolist())

    def _fill(self, out: NDArray[np.float32], values: Any) -> None:
        if not isinstance(values, list):
            raise UnfitRecordError(
                "wrong-shape" if isinstance(values, int | float) else "wrong-type",
                f"{self._expected}, got {shown(values)} in a list's place",
            )
        if len(values) != len(out):
            raise UnfitRecordError(
                "wrong-shape",
                f"{self._name} must be of shape {list(self._shape)}, "
                f"got {len(values)} where {len(out)} belong",
            )
        if out.ndim > 1:
            for part, inner in zip(out, values, strict=True):
                self._fill(part, inner)
            return
        odd = set(map(type, values)) - self._allowed
        if odd:
            raise UnfitRecordError(
                "wrong-shape" if list in odd else "wrong-type",
                f"{self._expected}, "
                f"got {', '.join(sorted(kind.__name__ for kind in odd))} in a number's place",
            )
        try:
            # A number beyond float32 becomes infinite.
            with np.errstate(over="ignore"):
                out[:] = np.array(values, np.float64)
        except OverflowError as error:
            raise UnfitRecordError(
                "not-finite", f"{self._name} holds a number beyond float64"
            ) from error

    @property
    def _expected(self) -> str:
        return f"{self._name} must be numbers nested as {list(self._shape)}"
