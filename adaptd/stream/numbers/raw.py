"""`RawNumbers`: numbers as the bytes of an array."""

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.config.record import NumberType
from adaptd.stream.layout import optional, put
from adaptd.stream.reject import UnfitRecordError, shown


class RawNumbers:
    """name: of the field. shape: of one record, in C order. dtype: of a number, little-endian.

    Text is base64 of the bytes (RFC 4648), for formats that have no bytes.
    """

    def __init__(self, name: str, shape: tuple[int, ...], dtype: NumberType) -> None:
        self._name = name
        self._shape = shape
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._bytes = math.prod(shape) * self._dtype.itemsize
        self._values = optional(name)

    def read(self, record: Any, out: NDArray[np.float32]) -> None:
        values = self._values(record)
        if values is None:
            raise UnfitRecordError("missing-field", f"no {self._name}")
        data = self._data(values)
        if len(data) != self._bytes:
            raise UnfitRecordError(
                "wrong-shape",
                f"{self._name} must be {self._bytes} bytes, {list(self._shape)} of "
                f"{self._dtype.name}, got {len(data)}",
            )
        # A number beyond float32 becomes infinite.
        with np.errstate(over="ignore"):
            out[:] = np.frombuffer(data, self._dtype).reshape(self._shape)

    def read_all(self, records: Sequence[Any]) -> NDArray[np.float32] | None:
        try:
            data = [self._data(values) for values in map(self._values, records)]
        except UnfitRecordError:
            return None
        if any(len(of_record) != self._bytes for of_record in data):
            return None
        values = np.frombuffer(b"".join(data), self._dtype)
        with np.errstate(over="ignore"):
            return values.reshape(len(data), *self._shape).astype(np.float32)

    def write(self, record: dict[str, Any], x: NDArray[np.float32], *, is_text: bool) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            values = x.astype(self._dtype)
        if not np.array_equal(values.astype(np.float32), x):
            raise OverflowError(f"{self._name}: {self._dtype.name} has not all of these numbers")
        data = values.tobytes()
        put(record, self._name, base64.b64encode(data).decode() if is_text else data)

    def _data(self, values: Any) -> bytes:
        if isinstance(values, bytes):
            return values
        if not isinstance(values, str):
            raise UnfitRecordError("wrong-type", f"{self._name} must be bytes, got {shown(values)}")
        try:
            return base64.b64decode(values, validate=True)
        except ValueError as error:
            raise UnfitRecordError(
                "wrong-type", f"{self._name} must be base64 of bytes: {error}"
            ) from error
