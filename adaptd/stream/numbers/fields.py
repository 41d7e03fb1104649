"""`FieldNumbers`: one number in each of the fields that are named, as tables have them."""

import math
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.layout import optional, put
from adaptd.stream.reject import UnfitRecordError, shown

# Types of numbers; a boolean is none of them.
_NUMBERS = frozenset({int, float})
_OR_MISSING = _NUMBERS | {type(None)}


class FieldNumbers:
    """names: of the fields, in the order of the features. may_lack: for each whether it may be
    null or absent."""

    def __init__(self, names: tuple[str, ...], *, may_lack: tuple[bool, ...]) -> None:
        self._names = names
        self._may_lack = may_lack
        self._fields = [optional(name) for name in names]
        # All of them at once where none lies in another field, which is several times as fast.
        self._row = itemgetter(*names) if len(names) > 1 and "." not in "".join(names) else None

    def read(self, record: Any, out: NDArray[np.float32]) -> None:
        for place, (name, field) in enumerate(zip(self._names, self._fields, strict=True)):
            value = field(record)
            if value is None:
                if not self._may_lack[place]:
                    raise UnfitRecordError("missing-field", f"no {name}")
                value = math.nan
            if type(value) not in _NUMBERS:
                raise UnfitRecordError("wrong-type", f"{name} must be a number, got {shown(value)}")
            try:
                # A number beyond float32 becomes infinite.
                with np.errstate(over="ignore"):
                    out[place] = float(value)
            except OverflowError as error:
                raise UnfitRecordError(
                    "not-finite", f"{name} holds a number beyond float64"
                ) from error

    def read_all(self, records: Sequence[Any]) -> NDArray[np.float32] | None:
        rows = self._rows(records)
        kinds = {kind for row in rows for kind in map(type, row)}
        allowed = _OR_MISSING if all(self._may_lack) else _NUMBERS
        if not allowed.issuperset(kinds):
            return None
        try:
            x = np.array(rows, np.float64)
        except OverflowError:
            return None
        with np.errstate(over="ignore"):
            return x.astype(np.float32)

    def write(self, record: dict[str, Any], x: NDArray[np.float32], *, is_text: bool) -> None:
        # As text the shortest that is read as the same float32.
        for name, value in zip(self._names, x if is_text else x.tolist(), strict=True):
            put(record, name, value)

    def _rows(self, records: Sequence[Any]) -> list[Any]:
        if self._row is not None:
            try:
                return list(map(self._row, records))
            except KeyError:
                # One lacks a field.
                pass
        return [[field(record) for field in self._fields] for record in records]
