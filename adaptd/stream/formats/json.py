"""`JsonFormat`: a JSON object a message."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from adaptd.stream.formats.format import Decoded, decode_each
from adaptd.stream.reject import UnfitRecordError


@dataclass(frozen=True)
class JsonFormat:
    """RFC 8259, in UTF-8. NaN and Infinity, which it has not but many producers write, are read
    too, so that whether a number may be missing is decided in one place."""

    is_text = True

    def decode_all(self, payloads: Sequence[bytes | None]) -> Decoded:
        try:
            # Most of the time all of them are JSON.
            records = list(map(orjson.loads, payloads))  # type: ignore[arg-type]
        except (TypeError, orjson.JSONDecodeError):
            return decode_each(_decode, payloads)
        return Decoded(records, list(range(len(records))))

    def time(self, field: str, seconds: float, number: float) -> object:  # noqa: ARG002
        return number

    def encode(self, record: dict[str, Any]) -> bytes:
        return orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)


def _decode(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        try:
            return _with_non_finite(payload)
        except (ValueError, TypeError, RecursionError):
            raise UnfitRecordError("unreadable", f"not JSON: {error}") from error


def _with_non_finite(payload: bytes) -> Any:
    """Raises ValueError, TypeError or RecursionError unless it is JSON but for NaN or Infinity."""
    names: list[str] = []

    def constant(name: str) -> float:
        names.append(name)
        return float(name)

    record = json.loads(payload.decode(), parse_constant=constant)
    if not names:
        raise ValueError("no NaN or Infinity")
    # What else Python takes and others refuse: halves of surrogate pairs, which no file holds.
    orjson.dumps(record)
    return record
