import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.config import RecordConfig
from adaptd.errors import SourceError
from adaptd.stream.formats.avro import AvroFormat
from adaptd.stream.formats.avro_schema import AvroSchema
from adaptd.stream.parsed import Document
from adaptd.stream.schema import Schema
from tests.stream.formats.avro_records import (
    NESTED,
    TABLE,
    TABLE_RECORD,
    message,
    opened,
    record_of,
)


def nested_schema(**changes: Any) -> Schema:
    form = AvroFormat(AvroSchema(json.dumps(NESTED)), **changes)
    record = RecordConfig(shape=(2, 3), classes=("calm", "rough"))
    return replace(Schema.of(record), format=form, labels_format=form)


VALUE = {"id": "a", "x": [[1, 2, 3], [4, 5, 6.5]], "target": "rough", "time": None}


@given(
    x=st.lists(
        st.lists(
            st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3
        ),
        min_size=2,
        max_size=2,
    ),
    name=st.text(st.characters(exclude_categories=["Cs"])),
    place=st.integers(0, 1),
    milliseconds=st.none() | st.integers(0, 2**41),
)
def test_what_is_encoded_is_parsed_again(
    x: list[list[float]], name: str, place: int, milliseconds: int | None
) -> None:
    time = None if milliseconds is None else milliseconds / 1_000
    for schema in (nested_schema(), nested_schema(has_prefix=False)):
        parsed = schema.parse(schema.encode(Document(name, np.array(x, np.float32), place, time)))
        np.testing.assert_array_equal(parsed.x, np.array(x, np.float32))
        assert (parsed.id, parsed.target) == (name, place)
        assert parsed.time == (None if time is None else pytest.approx(time, abs=1e-3))


def test_the_prefix_of_confluent_serialisers_is_skipped() -> None:
    payload = message(NESTED, VALUE, bytes([0, 0, 0, 1, 5]))
    assert nested_schema().parse(payload).id == "a"
    assert nested_schema(schema_id=261).parse(payload).id == "a"
    bare = message(NESTED, VALUE)
    assert nested_schema(has_prefix=False).parse(bare).target == 1
    for schema, wrong, seen in (
        (nested_schema(schema_id=7), payload, "written with Avro schema 261, expected 7"),
        (nested_schema(), bare, "begins with 0261040600.*framing to none"),
        (nested_schema(), b"\0\0\0", "begins with 000000"),
        (nested_schema(has_prefix=False), payload, "Avro schema"),
        (nested_schema(), payload + b"\0", "1 bytes are left over.*another Avro schema"),
        (nested_schema(), payload[:-1], "not of the Avro schema: EOFError"),
    ):
        with pytest.raises(ValueError, match=f"unreadable: .*{seen}"):
            schema.parse(wrong)


def test_a_bad_message_harms_no_other() -> None:
    good = message(NESTED, VALUE, bytes(5))
    parsed = nested_schema().parse_all([good, None, b"", good[:9], good])
    assert parsed.places == [0, 4]
    assert [fault.reason for fault in parsed.faults.values()] == ["unreadable"] * 3


def test_a_table_with_names_of_its_own(tmp_path: Path) -> None:
    schema = opened(tmp_path, TABLE, {"framing": "none"}, **TABLE_RECORD)
    rows: list[dict[str, Any]] = [
        {
            "key": 7,
            "at": 1_700_000_000_250,
            "label": "rough",
            "temperature": 21.5,
            "payload": {"pressure": 3},
        },
        {"key": 8, "at": 0, "label": None, "temperature": None, "payload": {"pressure": 4}},
    ]
    payloads = [message(TABLE, row) for row in rows]
    parsed = schema.parse_all(payloads, needs_target=False)
    assert (parsed.ids, parsed.target.tolist()) == (["7", "8"], [-1, -1])
    assert parsed.times.tolist() == [1_700_000_000.25, 0]
    assert parsed.x.tolist() == [[21.5, 3], [0, 4]]
    assert schema.parse_all(payloads).faults[1].detail == "no label"


def test_a_weight_is_a_number_that_may_be_null(tmp_path: Path) -> None:
    weighted = {**NESTED, "fields": [*NESTED["fields"], {"name": "w", "type": ["null", "float"]}]}
    schema = opened(tmp_path, weighted, {"framing": "none"}, weight="w")
    weights = (2.5, None, 0, -1, math.nan, math.inf)
    parsed = schema.parse_all([message(weighted, {**VALUE, "w": weight}) for weight in weights])
    assert parsed.weight is not None
    assert parsed.weight.tolist() == [2.5, 1]
    assert [fault.reason for fault in parsed.faults.values()] == ["weight"] * 4
    given = Document("a", np.ones((2, 3), np.float32), 0, None, weight=0.75)
    assert schema.parse(schema.encode(given)).weight == 0.75


def test_labels_have_a_schema_of_their_own(tmp_path: Path) -> None:
    label = record_of(("id", "string"), ("target", "string"))
    path = tmp_path / "label.avsc"
    path.write_text(json.dumps(label))
    schema = opened(tmp_path, NESTED, {"labels_schema_file": str(path)})
    payload = message(label, {"id": "a", "target": "rough"}, bytes(5))
    parsed = schema.parse_labels([payload, b""])
    assert (parsed.ids, parsed.target.tolist(), list(parsed.faults)) == (["a"], [1], [1])
    # Without one, labels are records whose numbers nobody looks at.
    assert nested_schema().parse_labels([message(NESTED, VALUE, bytes(5))]).ids == ["a"]


def test_bytes_are_bytes(tmp_path: Path) -> None:
    kind = {"type": "fixed", "name": "Block", "size": 12}
    avro = record_of(("id", "string"), ("x", kind), ("target", "int"))
    schema = opened(tmp_path, avro, encoding="bytes", dtype="int16")
    value = {"id": "a", "x": np.arange(6, dtype="<i2").tobytes(), "target": 0}
    assert schema.parse(message(avro, value, bytes(5))).x.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_record_that_the_schema_cannot_hold_is_not_written(tmp_path: Path) -> None:
    schema = opened(
        tmp_path, record_of(*((f["name"], f["type"]) for f in NESTED["fields"]), ("more", "int"))
    )
    with pytest.raises(SourceError, match="cannot be written with the Avro schema"):
        schema.encode(Document("a", np.zeros((2, 3), np.float32), 0, None))
