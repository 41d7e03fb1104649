"""`AvroFormat`: an Avro record a message."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import fastavro

from adaptd.errors import SourceError
from adaptd.stream.formats.avro_schema import AvroSchema
from adaptd.stream.formats.format import Decoded, decode_each
from adaptd.stream.reject import UnfitRecordError

# A zero byte and the schema's id, big-endian.
_PREFIX = struct.Struct(">xI")

# What fastavro raises where bytes or values are not of the schema. Not a list that it documents.
_DAMAGE = (
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    RecursionError,
    struct.error,
)


@dataclass(frozen=True)
class AvroFormat:
    """has_prefix: whether each message begins with a zero byte and a schema's id (the wire format
    of Confluent's serialisers). schema_id: the only id that is taken; None: any.

    The schema that a message was written with has to be this one: there is no registry to ask for
    another. Bytes that are left over tell of most others.
    Source: Apache Avro 1.12 specification, "Binary encoding".
    """

    schema: AvroSchema
    has_prefix: bool = True
    schema_id: int | None = None

    is_text = False

    def decode_all(self, payloads: Sequence[bytes | None]) -> Decoded:
        return decode_each(self._decode, payloads)

    def time(self, field: str, seconds: float, number: float) -> object:
        if self.schema.holds_timestamps(field):
            return datetime.fromtimestamp(seconds, UTC)
        return round(number) if self.schema.holds_whole(field) else number

    def encode(self, record: dict[str, Any]) -> bytes:
        out = BytesIO()
        if self.has_prefix:
            out.write(_PREFIX.pack(self.schema_id or 0))
        try:
            fastavro.schemaless_writer(out, self.schema.parsed, record)
        except _DAMAGE as error:
            raise SourceError(
                f"a record cannot be written with the Avro schema: {type(error).__name__}: {error}"
            ) from error
        return out.getvalue()

    def _decode(self, payload: bytes) -> Any:
        message = BytesIO(payload)
        if self.has_prefix:
            self._skip_prefix(message)
        try:
            record = fastavro.schemaless_reader(message, self.schema.parsed, None)
        except _DAMAGE as error:
            raise UnfitRecordError(
                "unreadable", f"not of the Avro schema: {type(error).__name__}: {error}"
            ) from error
        left = len(payload) - message.tell()
        if left:
            raise UnfitRecordError(
                "unreadable",
                f"{left} bytes are left over behind the record: written with another Avro schema",
            )
        return record

    def _skip_prefix(self, message: BytesIO) -> None:
        prefix = message.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size or prefix[0]:
            raise UnfitRecordError(
                "unreadable",
                f"begins with {prefix.hex() or 'nothing'}, not with a zero byte and a schema's id: "
                "where messages have no such prefix, set record.avro.framing to none",
            )
        (seen,) = _PREFIX.unpack(prefix)
        if self.schema_id not in (None, seen):
            raise UnfitRecordError(
                "unreadable", f"written with Avro schema {seen}, expected {self.schema_id}"
            )
