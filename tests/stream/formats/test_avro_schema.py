from pathlib import Path
from typing import Any

import pytest

from adaptd.errors import SourceError
from adaptd.stream.formats.avro_schema import AvroSchema
from tests.stream.formats.avro_records import (
    NESTED,
    TABLE,
    TABLE_RECORD,
    message,
    opened,
    record_of,
)


@pytest.mark.parametrize(
    ("avro", "record", "said"),
    [
        ("{", {}, "not JSON"),
        ("[]", {}, "Avro schema of a record"),
        ('"string"', {}, "Avro schema of a record"),
        ("3", {}, "no Avro schema"),
        ({"type": "record", "name": "a", "fields": [{"name": "b", "type": "c"}]}, {}, "no Avro"),
        (NESTED, {"id": "key"}, "no field key; it has id, x, target, time"),
        (NESTED, {"target": "id.deep"}, "no field id.deep"),
        (NESTED, {"x": "time"}, "field time .* arrays of numbers, .* got long .timestamp-millis."),
        (NESTED, {"time": "x"}, "field x .* a number, text or a timestamp .* got array"),
        (NESTED, {"prediction": "x"}, "field x .* got array"),
        (NESTED, {"weight": "w"}, "no field w"),
        (NESTED, {"weight": "id.w"}, "no field id.w"),
        (TABLE, {**TABLE_RECORD, "weight": "payload"}, "field payload .* got record"),
        (NESTED, {"encoding": "bytes"}, "field x .* bytes, fixed or string"),
        (
            TABLE,
            {**TABLE_RECORD, "features": ["at", "label"], "time": "t", "target": "key"},
            "field label",
        ),
        (TABLE, {**TABLE_RECORD, "features": ["a", "b"], "missing": "reject"}, "no field a"),
        (
            record_of(("id", "string"), ("o", {"type": "array", "items": "null"})),
            {},
            "items take no bytes",
        ),
        (
            record_of(
                (
                    "o",
                    [
                        "null",
                        {
                            "type": "map",
                            "values": {
                                "type": "array",
                                "items": {"type": "record", "name": "Empty", "fields": []},
                            },
                        },
                    ],
                )
            ),
            {},
            "items take no bytes",
        ),
        (
            record_of(("id", "string"), ("next", ["null", "Reading"])),
            {},
            "Reading is part of itself",
        ),
    ],
)
def test_a_schema_that_does_not_suit_the_record_is_named(
    tmp_path: Path, avro: object, record: dict[str, Any], said: str
) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        opened(tmp_path, avro, **record)
    assert "reading.avsc" in str(caught.value)


def test_fields_that_may_be_missing_may_be_so_everywhere(tmp_path: Path) -> None:
    opened(tmp_path, TABLE, **{**TABLE_RECORD, "features": ["not here", "at"], "time": "t"})


def test_types_may_be_named_once_and_used_twice(tmp_path: Path) -> None:
    point = {"type": "record", "name": "Point", "fields": [{"name": "v", "type": "double"}]}
    fields = [
        ("id", "string"),
        ("target", "string"),
        ("a", point),
        ("b", ["null", "Point"]),
        ("more", {"type": "array", "items": "plant.Point"}),
        ("gaps", {"type": "array", "items": ["null", "int"]}),
    ]
    table = {"encoding": "fields", "features": ["a.v", "b.v"], "shape": [2]}
    schema = opened(tmp_path, record_of(*fields), {"framing": "none"}, **table)
    value = {"id": "i", "target": "calm", "a": {"v": 1}, "b": {"v": 2}, "more": [], "gaps": [None]}
    assert schema.parse(message(record_of(*fields), value)).x.tolist() == [1, 2]


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match=r"gone\.avsc: the Avro schema cannot be read"):
        AvroSchema.read(Path("gone.avsc"))
