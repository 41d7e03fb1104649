"""From a record's configuration to the formats of its messages and of its labels'."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from adaptd.config import RecordConfig
from adaptd.stream.formats.arrow import ArrowFormat
from adaptd.stream.formats.avro import AvroFormat
from adaptd.stream.formats.avro_schema import AvroSchema, Role
from adaptd.stream.formats.format import Format
from adaptd.stream.formats.json import JsonFormat


def open_formats(record: RecordConfig) -> tuple[Format, Format]:
    """Raises SourceError, naming the file, for an Avro schema that cannot be read or lacks a field
    of the record."""
    match record.format:
        case "json":
            return JsonFormat(), JsonFormat()
        case "arrow":
            form = ArrowFormat(frozenset(name.split(".")[0] for name in _names(record)))
            return form, form
        case "avro":
            return _open_avro(record)


def _open_avro(record: RecordConfig) -> tuple[Format, Format]:
    avro = record.avro
    assert avro is not None
    labels: list[tuple[str, Role, bool]] = [
        (record.id, "id", True),
        (record.target, "class", True),
        (record.time, "time", False),
    ]
    fields = list(labels)
    match record.encoding:
        case "fields":
            # One that may be absent may be so in all records.
            fields += [
                (name, "number", not _may_lack(record, name)) for name in record.features or ()
            ]
        case "array":
            fields.append((record.x, "array", True))
        case "bytes":
            fields.append((record.x, "bytes", True))
    if record.prediction is not None:
        fields.append((record.prediction, "class", True))
    if record.weight is not None:
        fields.append((record.weight, "number", True))
    has_prefix = avro.framing == "confluent"
    schema = _checked(avro.schema_file, fields)
    records = AvroFormat(schema, has_prefix=has_prefix, schema_id=avro.schema_id)
    if avro.labels_schema_file is None:
        return records, records
    # The id is that of the records' schema; labels have another schema and so another id.
    return records, AvroFormat(_checked(avro.labels_schema_file, labels), has_prefix=has_prefix)


def _checked(path: Path, fields: Sequence[tuple[str, Role, bool]]) -> AvroSchema:
    schema = AvroSchema.read(path)
    schema.check(fields, origin=str(path))
    return schema


def _may_lack(record: RecordConfig, name: str) -> bool:
    return record.missing == "zero" or name in record.stand_ins


def _names(record: RecordConfig) -> Iterator[str]:
    """Of all the fields that a record is read from."""
    yield from (record.id, record.time, record.target)
    if record.prediction is not None:
        yield record.prediction
    if record.weight is not None:
        yield record.weight
    yield from (record.features or ()) if record.encoding == "fields" else (record.x,)
