"""`JsonFormat`: a JSON object a message."""

import json
from collections.abc import Sequence
from typing import Any

import orjson

from adaptd.stream.reject import UnfitRecordError


class JsonFormat:
    """RFC 8259: NaN and Infinity are none of its numbers."""

    def decode(self, payload: bytes | None) -> Any:
        """Raises UnfitRecordError: unreadable, not-finite."""
        if payload is None:
            raise UnfitRecordError("unreadable", "the record has no value")
        try:
            return orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            if _names_non_finite(payload):
                raise UnfitRecordError(
                    "not-finite", "NaN or Infinity, which JSON has not"
                ) from error
            raise UnfitRecordError("unreadable", f"not JSON: {error}") from error

    def decode_all(self, payloads: Sequence[bytes | None]) -> list[Any] | None:
        """None unless all of them can be read."""
        try:
            return list(map(orjson.loads, payloads))  # type: ignore[arg-type]
        except (TypeError, orjson.JSONDecodeError):
            return None


def _names_non_finite(payload: bytes) -> bool:
    """Whether it would be JSON but for NaN or Infinity, which many producers write."""
    names: list[str] = []
    try:
        json.loads(payload, parse_constant=names.append)
    except (ValueError, RecursionError):
        return False
    return bool(names)
