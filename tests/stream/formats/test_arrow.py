import datetime
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.config import RecordConfig
from adaptd.stream.formats.opening import open_formats
from adaptd.stream.parsed import Document
from adaptd.stream.schema import Schema


def arrow_schema(**record: Any) -> Schema:
    fields = {"shape": [2, 3], "classes": ["calm", "rough"], **record}
    config = RecordConfig.model_validate({**fields, "format": "arrow"})
    records, labels = open_formats(config)
    return replace(Schema.of(config), format=records, labels_format=labels)


def message(*batches: pa.RecordBatch) -> bytes:
    """As another program writes it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def batch_of(kind: Any = None, records: int = 1, **changes: Any) -> pa.RecordBatch:
    kind = kind or pa.list_(pa.list_(pa.float32()))
    columns: dict[str, Any] = {
        "id": pa.array(["a"] * records),
        "x": pa.array([[[1, 2, 3], [4, 5, 6.5]]] * records, kind),
        "target": pa.array(["rough"] * records).dictionary_encode(),
    }
    return pa.record_batch({**columns, **changes})


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
    time=st.none() | st.floats(0, 2**31),
)
def test_what_is_encoded_is_parsed_again(
    x: list[list[float]], name: str, place: int, time: float | None
) -> None:
    schema = arrow_schema()
    parsed = schema.parse(schema.encode(Document(name, np.array(x, np.float32), place, time)))
    np.testing.assert_array_equal(parsed.x, np.array(x, np.float32))
    assert (parsed.id, parsed.target, parsed.time) == (name, place, time)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.list_(pa.float32())),
        pa.large_list(pa.large_list(pa.float64())),
        pa.list_(pa.list_(pa.float32(), 3), 2),
        pa.list_(pa.list_(pa.float16())),
    ],
)
def test_every_kind_of_list_holds_numbers(kind: Any) -> None:
    assert arrow_schema().parse(message(batch_of(kind))).x.tolist() == [[1, 2, 3], [4, 5, 6.5]]


def test_a_message_holds_one_record() -> None:
    schema = arrow_schema()
    one = batch_of()
    none = one.slice(0, 0)
    assert schema.parse(message(none, one, none)).id == "a"
    for wrong, seen in (
        (message(batch_of(records=3)), "got 3"),
        (message(one, one), "got 2"),
        (message(none), "got 0"),
    ):
        with pytest.raises(ValueError, match=f"wrong-shape: a message must hold one.*{seen}"):
            schema.parse(wrong)


def test_a_table_with_a_timestamp() -> None:
    schema = arrow_schema(shape=[2], encoding="fields", features=["a", "b.c"], missing="zero")
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    for unit in ("s", "ms", "us", "ns"):
        columns: dict[str, Any] = {
            "id": pa.array([7]),
            "a": pa.array([None], pa.float64()),
            "b": pa.array([{"c": 4}]),
            "target": pa.array([1]),
            "time": pa.array([at], pa.timestamp(unit, "UTC")),
        }
        parsed = schema.parse(message(pa.record_batch(columns)))
        assert (parsed.id, parsed.target, parsed.x.tolist()) == ("7", 1, [0, 4])
        assert parsed.time == at.timestamp()
    # Python's datetime has no nanoseconds.
    nanoseconds = pa.array([1_700_000_000_250_000_001], pa.timestamp("ns"))
    columns = {**columns, "time": nanoseconds, "created": nanoseconds}
    assert schema.parse(message(pa.record_batch(columns))).time == 1_700_000_000.25


def test_bytes_are_bytes() -> None:
    schema = arrow_schema(encoding="bytes", dtype="uint8")
    for kind in (pa.binary(), pa.large_binary(), pa.binary(6)):
        batch = batch_of(x=pa.array([bytes(range(6))], kind))
        assert schema.parse(message(batch)).x.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.float16(), pa.float32(), pa.float64()])
def test_a_weight_is_a_number_of_any_kind(kind: Any) -> None:
    schema = arrow_schema(weight="w")
    payloads = [message(batch_of(w=pa.array([weight], kind))) for weight in (2, None, 0)]
    parsed = schema.parse_all([*payloads, message(batch_of()), message(batch_of(w=["2"]))])
    assert parsed.weight is not None
    assert parsed.weight.tolist() == [2, 1, 1]
    assert {place: fault.reason for place, fault in parsed.faults.items()} == {
        2: "weight",
        4: "weight",
    }
    given = Document("a", np.ones((2, 3), np.float32), 0, None, weight=0.75)
    assert schema.parse(schema.encode(given)).weight == 0.75


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"x": pa.array([None], pa.list_(pa.float32()))}, "missing-field"),
        ({"x": pa.array([[1.0, 2.0]])}, "wrong-shape"),
        ({"x": pa.array([[[1.0, None, 3], [4, 5, 6]]])}, "wrong-type"),
        ({"x": pa.array([[[1.0, np.nan, 3], [4, 5, 6]]])}, "not-finite"),
        ({"x": pa.array(["text"])}, "wrong-type"),
        ({"id": pa.array([None], pa.string())}, "missing-field"),
        ({"target": pa.array(["stormy"])}, "unknown-class"),
        ({"time": pa.array(["yesterday"])}, "wrong-type"),
    ],
)
def test_each_fault_has_its_reason(changes: dict[str, Any], reason: str) -> None:
    good = message(batch_of())
    parsed = arrow_schema().parse_all([good, message(batch_of(**changes)), None, b"?", good])
    assert parsed.places == [0, 4]
    reasons = [fault.reason for fault in parsed.faults.values()]
    assert reasons == [reason, "unreadable", "unreadable"]
