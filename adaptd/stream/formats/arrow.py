"""`ArrowFormat`: an Arrow IPC stream a message, with one record in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from adaptd.errors import SourceError
from adaptd.stream.formats.format import Decoded, decode_each
from adaptd.stream.reject import UnfitRecordError

# What pyarrow raises for damaged bytes; ArrowInvalid and its kin are kinds of these.
_DAMAGE = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    NotImplementedError,
    OverflowError,
    MemoryError,
    RecursionError,
)

_LISTS = (pa.ListScalar, pa.LargeListScalar, pa.FixedSizeListScalar)
_IS_LIST = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


@dataclass(frozen=True)
class ArrowFormat:
    """fields: columns that are taken; what others hold does no harm.

    A message holds one record: a record's place in the stream, (partition, offset), is what
    state, dead letters and evidence know it by, and a message has one such place. Of several in a
    message none could be counted exactly once, so such a message does not fit.
    """

    fields: frozenset[str]

    is_text = False

    def decode_all(self, payloads: Sequence[bytes | None]) -> Decoded:
        return decode_each(self._decode, payloads)

    def time(self, field: str, seconds: float, number: float) -> object:  # noqa: ARG002
        return number

    def encode(self, record: dict[str, Any]) -> bytes:
        sink = pa.BufferOutputStream()
        try:
            batch = pa.RecordBatch.from_pylist([record])
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
        except _DAMAGE as error:
            raise SourceError(f"a record cannot be written as Arrow: {error}") from error
        return sink.getvalue().to_pybytes()

    def _decode(self, payload: bytes) -> Any:
        try:
            with pa.ipc.open_stream(payload) as stream:
                batches = list(stream)
            rows = sum(batch.num_rows for batch in batches)
            if rows != 1:
                raise UnfitRecordError("wrong-shape", f"a message must hold one record, got {rows}")
            batch = next(batch for batch in batches if batch.num_rows)
            # Offsets in the bytes were not looked at so far: following them could end the process.
            batch.validate(full=True)
            return {
                name: _value(column)
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
                if name in self.fields
            }
        except UnfitRecordError:
            raise
        except _DAMAGE as error:
            raise UnfitRecordError("unreadable", f"not an Arrow IPC stream: {error}") from error


def _value(column: "pa.Array[Any]") -> Any:
    """The only value of an array as Python has it; lists of numbers several times as fast as by
    `as_py`."""
    value = column[0]
    if isinstance(value, _LISTS) and (values := value.values) is not None:
        return _listed(values)
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Python has no nanoseconds.
        value = column.cast(pa.timestamp("us", column.type.tz), safe=False)[0]
    return value.as_py()


def _listed(values: "pa.Array[Any]") -> list[Any]:
    if values.null_count == 0:
        kind = values.type
        if pa.types.is_floating(kind) or pa.types.is_integer(kind):
            return list(values.to_numpy(zero_copy_only=False).tolist())
        if any(is_kind(kind) for is_kind in _IS_LIST):
            return [_value(values.slice(place, 1)) for place in range(len(values))]
    return list(values.to_pylist())
