"""`AvroSchema`: what Avro messages were written with."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import fastavro
from fastavro.schema import SchemaParseException, expand_schema

from adaptd.errors import SourceError

# What a field is for.
Role = Literal["id", "class", "time", "number", "array", "bytes"]

_EXPECTED: Mapping[Role, str] = {
    "id": "text or a whole number",
    "class": "text, an enum or a whole number",
    "time": "a number, text or a timestamp of milliseconds or microseconds",
    "number": "int, long, float or double",
    "array": "arrays of numbers, nested as the shape is",
    "bytes": "bytes, fixed or string (base64)",
}

_WHOLE = frozenset({"int", "long"})
_NUMBERS = _WHOLE | {"float", "double"}
_TIMESTAMPS = frozenset(
    f"{scope}timestamp-{unit}" for scope in ("", "local-") for unit in ("millis", "micros")
)
# All others are names, which remain only where a type is part of itself.
_BUILT_IN = _NUMBERS | {
    *("null", "boolean", "bytes", "string"),
    *("record", "error", "enum", "fixed", "array", "map"),
}


@dataclass(frozen=True)
class AvroSchema:
    """text: of a record's schema, JSON.

    Source: Apache Avro 1.12 specification, "Schema declaration".
    """

    text: str

    @classmethod
    def read(cls, path: Path) -> "AvroSchema":
        """Raises SourceError, naming the file, where it holds no schema of a record."""
        try:
            schema = cls(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{path}: the Avro schema cannot be read: {error}") from error
        try:
            parsed, expanded = schema.parsed, schema._expanded
        except json.JSONDecodeError as error:
            raise SourceError(f"{path}: not JSON: {error}") from error
        except (
            SchemaParseException,
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise SourceError(f"{path}: no Avro schema: {type(error).__name__}: {error}") from error
        if not isinstance(parsed, dict) or parsed.get("type") != "record":
            raise SourceError(f"{path}: expected the Avro schema of a record, got another type")
        for kind in _all_within(expanded):
            if kind["type"] == "array" and _is_free(kind["items"]):
                # A few bytes could say that there are 2**60 of them.
                raise SourceError(f"{path}: an array's items take no bytes: such are not read")
            if kind["type"] not in _BUILT_IN:
                # A message could be so deep that reading it overruns the stack.
                raise SourceError(
                    f"{path}: {kind['type']} is part of itself: such records are not read"
                )
        return schema

    def check(self, fields: Iterable[tuple[str, Role, bool]], *, origin: str) -> None:
        """Raises SourceError, naming `origin`, unless the schema has these fields, each fit for its
        role. fields: names with roles, and whether each is needed."""
        for name, role, is_needed in fields:
            kinds = self._kinds(name)
            if kinds is None:
                if is_needed:
                    names = ", ".join(field["name"] for field in self._expanded["fields"])
                    raise SourceError(
                        f"{origin}: the Avro schema has no field {name}; it has {names}. "
                        "Name the fields of a record under record."
                    )
            elif not any(_fits(kind, role) for kind in kinds):
                raise SourceError(
                    f"{origin}: field {name} of the Avro schema must be {_EXPECTED[role]}, "
                    f"got {' or '.join(map(_named, kinds)) or 'null'}"
                )

    def holds_timestamps(self, name: str) -> bool:
        """Whether the field's values are datetimes where they are read and written."""
        return any(kind.get("logicalType") in _TIMESTAMPS for kind in self._kinds(name) or ())

    def holds_whole(self, name: str) -> bool:
        """Whether the field's numbers are whole."""
        return any(kind["type"] in _WHOLE for kind in self._kinds(name) or ())

    @cached_property
    def parsed(self) -> Any:
        """As fastavro reads and writes with it."""
        return fastavro.parse_schema(json.loads(self.text))

    @cached_property
    def _expanded(self) -> Any:
        """With named types written out where they are used."""
        return expand_schema(json.loads(self.text))

    def _kinds(self, name: str) -> list[dict[str, Any]] | None:
        """The types that a field may have, but null; None where there is no such field."""
        kinds: list[dict[str, Any]] = [self._expanded]
        for key in name.split("."):
            kinds = [
                inner
                for kind in kinds
                for field in kind.get("fields", ())
                if field["name"] == key
                for inner in _alternatives(field["type"])
            ]
            if not kinds:
                return None
        return [kind for kind in kinds if kind["type"] != "null"]


def _alternatives(kind: Any) -> Iterator[dict[str, Any]]:
    """A type's own, or those of a union."""
    if isinstance(kind, list):
        for inner in kind:
            yield from _alternatives(inner)
    elif isinstance(kind, dict) and isinstance(kind["type"], dict | list):
        yield from _alternatives(kind["type"])
    else:
        yield kind if isinstance(kind, dict) else {"type": kind}


def _fits(kind: Mapping[str, Any], role: Role) -> bool:
    name, logical = kind["type"], kind.get("logicalType")
    match role:
        case "id":
            # Others are read as dates or UUIDs, which are neither text nor a number.
            return logical is None and name in _WHOLE | {"string"}
        case "class":
            return logical is None and name in _WHOLE | {"string", "enum"}
        case "time":
            return logical in _TIMESTAMPS or (logical is None and name in _NUMBERS | {"string"})
        case "number":
            return logical is None and name in _NUMBERS
        case "array":
            return name == "array" and any(
                _fits(inner, "number") or _fits(inner, "array")
                for inner in _alternatives(kind["items"])
            )
        case "bytes":
            return logical is None and name in ("bytes", "fixed", "string")


def _named(kind: Mapping[str, Any]) -> str:
    logical = kind.get("logicalType")
    return str(kind["type"]) if logical is None else f"{kind['type']} ({logical})"


def _all_within(kind: Any) -> Iterator[dict[str, Any]]:
    """A type and all that it consists of."""
    for alone in _alternatives(kind):
        yield alone
        parts = [field["type"] for field in alone.get("fields", ())]
        for part in (*parts, *(alone[key] for key in ("items", "values") if key in alone)):
            yield from _all_within(part)


def _is_free(kind: Any) -> bool:
    """Whether a value of a type takes no bytes. Which one of a union it is takes some."""
    alone = kind if isinstance(kind, dict) else {"type": kind}
    if isinstance(alone["type"], dict):
        return _is_free(alone["type"])
    match alone["type"]:
        case "null":
            return True
        case "fixed":
            return bool(alone["size"] == 0)
        case "record" | "error":
            return all(_is_free(field["type"]) for field in alone["fields"])
        case _:
            return False
