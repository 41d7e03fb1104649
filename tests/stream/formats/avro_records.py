"""Avro schemas of records, and messages as another program writes them."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro

from adaptd.config import RecordConfig
from adaptd.stream.formats.opening import open_formats
from adaptd.stream.schema import Schema


def record_of(*fields: tuple[str, Any]) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "Reading",
        "namespace": "plant",
        "fields": [{"name": name, "type": kind} for name, kind in fields],
    }


NESTED = record_of(
    ("id", "string"),
    ("x", {"type": "array", "items": {"type": "array", "items": "float"}}),
    ("target", {"type": "enum", "name": "State", "symbols": ["calm", "rough"]}),
    ("time", ["null", {"type": "long", "logicalType": "timestamp-millis"}]),
)
TABLE = record_of(
    ("key", "long"),
    ("at", "long"),
    ("label", ["null", "string"]),
    ("temperature", ["null", "double"]),
    ("payload", record_of(("pressure", "int"))),
)
TABLE["fields"][-1]["type"]["name"] = "Payload"
TABLE_RECORD: dict[str, Any] = {
    "shape": [2],
    "classes": ["calm", "rough"],
    "encoding": "fields",
    "features": ["temperature", "payload.pressure"],
    "id": "key",
    "time": "at",
    "time_unit": "milliseconds",
    "target": "label",
    "missing": "zero",
}


def message(schema: dict[str, Any], value: dict[str, Any], prefix: bytes = b"") -> bytes:
    """As another program writes it."""
    out = io.BytesIO(prefix)
    out.seek(0, io.SEEK_END)
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def opened(
    folder: Path, avro: object, written: Mapping[str, Any] | None = None, **record: Any
) -> Schema:
    path = folder / "reading.avsc"
    path.write_text(avro if isinstance(avro, str) else json.dumps(avro))
    fields = {"shape": [2, 3], "classes": ["calm", "rough"], **record}
    config = RecordConfig.model_validate(
        {**fields, "format": "avro", "avro": {"schema_file": str(path), **(written or {})}}
    )
    records, labels = open_formats(config)
    return replace(Schema.of(config), format=records, labels_format=labels)
