import json
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adaptd.config import RecordConfig
from adaptd.stream.parsed import Document
from adaptd.stream.reject import REASONS, UnfitRecordError
from adaptd.stream.schema import Schema, features_of

SCHEMA = Schema(shape=(2, 3), classes=("calm", "rough"), features=("left", "right"))

# Numbers that float32 holds.
_NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-1_000, 1_000)
_X = st.lists(st.lists(_NUMBERS, min_size=3, max_size=3), min_size=2, max_size=2)

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def document(**changes: object) -> dict[str, Any]:
    return {"id": "a", "x": [[1, 2, 3], [4, 5, 6.5]], "target": "rough", **changes}


def reason(payload: bytes | None) -> str:
    with pytest.raises(UnfitRecordError) as caught:
        SCHEMA.parse(payload)
    return caught.value.reason


@given(x=_X, place=st.integers(0, 1), name=st.text(min_size=1))
def test_what_fits_comes_out_as_it_went_in(x: list[list[float]], place: int, name: str) -> None:
    try:
        payload = orjson.dumps(document(id=name, x=x, target=SCHEMA.classes[place]))
    except TypeError:  # text that is no Unicode
        return
    parsed = SCHEMA.parse(payload)
    np.testing.assert_array_equal(parsed.x, np.array(x, np.float32))
    assert parsed.x.dtype == np.float32
    assert parsed.x.shape == (2, 3)
    assert (parsed.id, parsed.target, parsed.time) == (name, place, None)


@given(payload=st.binary() | _JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused_with_a_known_reason(payload: bytes) -> None:
    assert reason(payload) in REASONS


@given(field=st.sampled_from(["id", "x", "target", "time"]), value=_JSON)
def test_one_odd_field_never_breaks_the_parser(field: str, value: object) -> None:
    payload = json.dumps(document(**{field: value})).encode()
    try:
        parsed = SCHEMA.parse(payload)
    except UnfitRecordError:
        return
    assert np.isfinite(parsed.x).all()
    assert parsed.target in (0, 1)
    assert parsed.time is None or math.isfinite(parsed.time)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (None, "unreadable"),
        (b"", "unreadable"),
        (b"{", "unreadable"),
        (b"\xff\xfe", "unreadable"),
        (b"[" * 100_000, "unreadable"),
        (b'{"id": "\\ud800", "x": [[1,2,3],[4,5,6]], "target": "calm"}', "unreadable"),
        (b"[" * 500 + b"]" * 500, "wrong-type"),
        (b"3", "wrong-type"),
    ],
)
def test_what_is_no_record_at_all(payload: bytes | None, expected: str) -> None:
    assert reason(payload) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": None}, "missing-field"),
        ({"x": None}, "missing-field"),
        ({"target": None}, "missing-field"),
        ({"id": True}, "wrong-type"),
        ({"id": [1]}, "wrong-type"),
        ({"x": "123"}, "wrong-type"),
        ({"x": [[1, 2, "3"], [4, 5, 6]]}, "wrong-type"),
        ({"x": [[1, 2, None], [4, 5, 6]]}, "wrong-type"),
        ({"x": [[1, 2, True], [4, 5, 6]]}, "wrong-type"),
        ({"x": 5}, "wrong-shape"),
        ({"x": []}, "wrong-shape"),
        ({"x": [1, 2, 3]}, "wrong-shape"),
        ({"x": [[1, 2], [3, 4], [5, 6]]}, "wrong-shape"),
        ({"x": [[1, 2, 3], [4, 5]]}, "wrong-shape"),
        ({"x": [[1, 2, [3]], [4, 5, 6]]}, "wrong-shape"),
        ({"x": [[1, 2, 1e39], [4, 5, 6]]}, "not-finite"),
        ({"target": "stormy"}, "unknown-class"),
        ({"target": 2}, "unknown-class"),
        ({"target": -1}, "unknown-class"),
        ({"target": 0.5}, "unknown-class"),
        ({"target": "9" * 5_000}, "unknown-class"),
        ({"target": True}, "wrong-type"),
        ({"target": ["rough"]}, "wrong-type"),
        ({"time": "yesterday"}, "wrong-type"),
        ({"time": False}, "wrong-type"),
    ],
)
def test_each_reason_is_given_for_its_fault(changes: dict[str, object], expected: str) -> None:
    assert reason(orjson.dumps(document(**changes))) == expected


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_not_are_named_as_such(number: float) -> None:
    payload = json.dumps(document(x=[[1, 2, number], [4, 5, 6]])).encode()
    assert reason(payload) == "not-finite"


def test_other_keys_are_left_alone_and_an_integer_will_do_as_id() -> None:
    parsed = SCHEMA.parse(orjson.dumps(document(id=12, colour={"a": None})))
    assert parsed.id == "12"


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (None, None),
        (12, 12.0),
        (1.5, 1.5),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-02", 86_400.0),
    ],
)
def test_time_is_posix_seconds_or_iso_8601(time: object, seconds: float | None) -> None:
    assert SCHEMA.parse(orjson.dumps(document(time=time))).time == seconds


def test_an_integer_is_the_place_where_classes_are_words() -> None:
    assert SCHEMA.place_of(1) == 1
    assert SCHEMA.place_of(1.0) == 1
    assert SCHEMA.place_of("1") == 1


def test_an_integer_is_the_name_where_classes_are_numbers() -> None:
    digits = Schema(shape=(1,), classes=("3", "7", "0"), features=("x0",))
    assert [digits.place_of(target) for target in (7, "7", 7.0, 0, "3")] == [1, 1, 1, 2, 0]
    with pytest.raises(UnfitRecordError, match="unknown-class"):
        digits.place_of(1)


def test_a_class_named_by_digits_with_a_zero_before_them_goes_by_its_whole_name() -> None:
    months = Schema(shape=(1,), classes=("07", "8", "-0"), features=("x0",))
    payloads = [orjson.dumps(document(x=[1], target=target)) for target in ("07", 8, "-0", 7)]
    parsed = months.parse_all(payloads[:3])
    assert parsed.target.tolist() == [0, 1, 2]
    assert months.parse_all(payloads).faults[3].reason == "unknown-class"


def test_the_schema_of_a_configuration_names_its_channels() -> None:
    record = RecordConfig(shape=(2, 8), classes=("a", "b"))
    assert Schema.of(record).features == ("x0", "x1")
    named = RecordConfig(shape=(2, 8), classes=("a", "b"), features=("left", "right"))
    assert Schema.of(named).features == ("left", "right")


def test_the_contract_says_what_the_schema_says() -> None:
    contract = SCHEMA.contract()
    assert (contract.shape, contract.classes) == ((2, 3), ("calm", "rough"))
    assert contract.features == ("left", "right")


_RECORDS = st.one_of(
    st.binary(max_size=20),
    st.none(),
    st.builds(
        lambda x, target, time, name: json.dumps(
            document(x=x, target=target, time=time, id=name)
        ).encode(),
        st.one_of(_X, _X, _X, _JSON, st.lists(st.lists(_NUMBERS, max_size=4), max_size=3)),
        st.sampled_from(["calm", "rough", "rough", 1, "1", True, 1.0, "stormy"]),
        st.sampled_from([None, 3.5, "2026-01-01"]),
        st.sampled_from(["a", 7, None]),
    ),
)


@given(st.lists(_RECORDS, max_size=6))
@example([b'{"id": "a", "x": null, "target": "calm"}'])
@example([json.dumps(document()).encode(), b'{"id": "a", "x": null, "target": "calm"}'])
def test_many_at_once_are_what_each_of_them_is(payloads: list[bytes | None]) -> None:
    parsed = SCHEMA.parse_all(payloads)
    assert sorted([*parsed.places, *parsed.faults]) == list(range(len(payloads)))
    assert parsed.x.shape == (len(parsed.places), 2, 3)
    assert parsed.x.dtype == np.float32
    for row, place in enumerate(parsed.places):
        alone = SCHEMA.parse(payloads[place])
        np.testing.assert_array_equal(parsed.x[row], alone.x)
        assert (parsed.ids[row], parsed.target[row]) == (alone.id, alone.target)
        assert parsed.times[row] == alone.time or (np.isnan(parsed.times[row]) and not alone.time)
    for place, fault in parsed.faults.items():
        assert reason(payloads[place]) == fault.reason


@pytest.mark.parametrize("shape", [(3,), (1, 2), (2, 1, 2)])
@pytest.mark.parametrize("odd", [True, "1", None, 10**400, 1e39, [1], {"1": 2}, {}])
def test_one_number_that_is_none_harms_no_other_record(shape: tuple[int, ...], odd: object) -> None:
    schema = Schema(shape, ("calm", "rough"), features_of(shape[0]))
    whole = np.arange(np.prod(shape), dtype=np.float64).reshape(shape).tolist()
    broken = json.loads(json.dumps(whole))
    inner = broken
    for _ in shape[1:]:
        inner = inner[-1]
    inner[-1] = odd
    payloads = [json.dumps(document(x=x)).encode() for x in (whole, broken, whole)]
    parsed = schema.parse_all(payloads)
    assert parsed.places == [0, 2]
    assert list(parsed.faults) == [1]
    np.testing.assert_array_equal(parsed.x[1], np.array(whole, np.float32))


def test_fields_of_other_names_are_found() -> None:
    record = RecordConfig(
        shape=(2,),
        classes=("calm", "rough"),
        id="key",
        time="meta.at",
        target="label",
        x="payload.sensors",
    )
    value = {
        "key": "a",
        "meta": {"at": 5},
        "label": "rough",
        "payload": {"sensors": [1, 2]},
        "id": "not this one",
        "x": [3, 4],
    }
    schema = Schema.of(record)
    parsed = schema.parse_all([orjson.dumps(value), orjson.dumps({**value, "payload": 3})])
    assert (parsed.ids, parsed.target.tolist(), parsed.times.tolist()) == (["a"], [1], [5.0])
    assert parsed.x.tolist() == [[1, 2]]
    assert str(parsed.faults[1]) == "missing-field: no payload.sensors"


@pytest.mark.parametrize("others", [[], [b"{"]])
def test_a_target_is_not_looked_at_where_labels_come_late(others: list[bytes]) -> None:
    given = [document(target=None), document(), document(target=1), document(target="stormy")]
    del given[0]["target"]
    payloads = [*map(orjson.dumps, given[: 3 if not others else 4]), *others]
    parsed = SCHEMA.parse_all(payloads, needs_target=False)
    expected = list(range(4 if others else 3))
    assert parsed.places == expected
    assert parsed.target.tolist() == [-1] * len(expected)
    assert SCHEMA.parse_all(payloads).places == [1, 2]
    assert [fault.reason for fault in parsed.faults.values()] == ["unreadable"] * len(others)


def test_labels_come_without_their_records() -> None:
    labels: list[dict[str, object]] = [
        {"id": "a", "target": "rough", "time": 3.5},
        {"id": 7, "target": 0},
        {"id": "b"},
        {"target": "calm"},
        {"id": "c", "target": "stormy"},
    ]
    parsed = SCHEMA.parse_labels([*map(orjson.dumps, labels), b"{", None])
    assert (parsed.ids, parsed.target.tolist(), parsed.places) == (["a", "7"], [1, 0], [0, 1])
    np.testing.assert_array_equal(parsed.times, [3.5, math.nan])
    assert {place: fault.reason for place, fault in parsed.faults.items()} == {
        2: "missing-field",
        3: "missing-field",
        4: "unknown-class",
        5: "unreadable",
        6: "unreadable",
    }
    assert SCHEMA.parse_labels([orjson.dumps(labels[0])] * 3).ids == ["a"] * 3
    assert SCHEMA.parse_labels([]).target.shape == (0,)


def test_a_prediction_that_records_bring_along_is_a_place() -> None:
    schema = Schema.of(RecordConfig(shape=(2, 3), classes=("calm", "rough"), prediction="said"))
    payloads = [*map(orjson.dumps, (document(said="rough"), document(said=0), document()))]
    parsed = schema.parse_all(payloads)
    assert parsed.prediction is not None
    assert parsed.prediction.tolist() == [1, 0, -1]
    assert [schema.parse(payload).prediction for payload in payloads] == [1, 0, None]
    assert SCHEMA.parse_all(payloads).prediction is None
    odd = schema.parse_all([*payloads, orjson.dumps(document(said="stormy"))])
    assert str(odd.faults[3]).startswith("unknown-class: said must be one of calm, rough")
    assert odd.prediction is not None
    assert odd.prediction.tolist() == [1, 0, -1]


def test_records_without_a_weight_weigh_one_and_bad_ones_are_refused() -> None:
    schema = Schema.of(RecordConfig(shape=(2, 3), classes=("calm", "rough"), weight="meta.w"))
    bad: list[object] = [0, -1, True, "2", [1], 1e39, math.nan, math.inf]
    documents = [document(meta={"w": weight}) for weight in (2, 0.25, None)] + [document()]
    payloads = [json.dumps(one).encode() for one in documents]
    parsed = schema.parse_all(payloads)
    assert parsed.weight is not None
    assert parsed.weight.dtype == np.float32
    assert parsed.weight.tolist() == [2, 0.25, 1, 1]
    assert [schema.parse(payload).weight for payload in payloads] == [2, 0.25, 1, 1]
    assert SCHEMA.parse_all(payloads).weight is None
    odd = [json.dumps(document(meta={"w": weight})).encode() for weight in bad]
    mixed = schema.parse_all([*odd, *payloads])
    assert mixed.weight is not None
    assert mixed.weight.tolist() == [2, 0.25, 1, 1]
    assert [fault.reason for fault in mixed.faults.values()] == ["weight"] * len(bad)
    assert "meta.w must be a finite number above 0, got -1" in mixed.faults[1].detail
    assert SCHEMA.parse_all(odd).faults == {}


def test_a_label_says_neither_what_was_predicted_nor_what_its_record_weighs() -> None:
    record = RecordConfig(shape=(2, 3), classes=("calm", "rough"), prediction="said", weight="w")
    label = {"id": "a", "target": "rough", "said": "stormy", "w": "heavy"}
    parsed = Schema.of(record).parse_labels([orjson.dumps(label)])
    assert (parsed.ids, parsed.faults) == (["a"], {})


def test_times_further_ahead_than_the_latest_are_refused() -> None:
    payloads = [orjson.dumps(document(time=time)) for time in (5, 10.5, None, 10, 99)]
    parsed = SCHEMA.parse_all([*payloads, b"{"], latest=10)
    assert parsed.places == [0, 2, 3]
    assert len(parsed.x) == 3
    assert {place: fault.reason for place, fault in parsed.faults.items()} == {
        1: "time-ahead",
        4: "time-ahead",
        5: "unreadable",
    }
    assert "89 s further ahead" in parsed.faults[4].detail
    assert SCHEMA.parse_all(payloads).places == [0, 1, 2, 3, 4]
    labels = SCHEMA.parse_labels(payloads, latest=10)
    assert (labels.places, list(labels.faults)) == ([0, 2, 3], [1, 4])


@given(
    x=_X,
    place=st.integers(0, 1),
    name=st.text(st.characters(exclude_categories=["Cs"])),
    time=st.none() | st.integers(0, 2**31),
    prediction=st.none() | st.integers(0, 1),
    weight=st.floats(2**-100, 2**100, width=32),
)
def test_what_is_encoded_is_parsed_again(
    *,
    x: list[list[float]],
    place: int,
    name: str,
    time: float | None,
    prediction: int | None,
    weight: float,
) -> None:
    record = RecordConfig(
        shape=(2, 3),
        classes=("calm", "rough"),
        x="a.b",
        prediction="said",
        weight="a.w",
        time_unit="nanoseconds",
    )
    schema = Schema.of(record)
    given = Document(name, np.array(x, np.float32), place, time, prediction, weight)
    parsed = schema.parse(schema.encode(given))
    np.testing.assert_array_equal(parsed.x, given.x)
    assert (parsed.id, parsed.target, parsed.prediction) == (name, place, prediction)
    assert (parsed.time, parsed.weight) == (time, weight)


_MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "b", 7, None, True]),
        "target": st.sampled_from(["calm", "rough", 1, None, "stormy"]),
        "time": st.sampled_from([1, 2.5, "2026-01-01", None, "soon", 10**12]),
        "said": st.sampled_from(["calm", 0, None, 3.5]),
        "w": st.sampled_from([1, 2.5, None, 0, True, "1"]),
        "heat": st.sampled_from([1, 2.5, -3, None, 1e39, "1", True, [1]]),
        "deep": st.sampled_from([{"load": 2}, {"load": None}, {}, None, 5, {"load": 0.5}]),
    },
)


@given(st.lists(_MESSAGES, max_size=5), st.sampled_from(["reject", "zero"]), st.booleans())
def test_many_messages_of_a_table_are_what_each_of_them_is(
    messages: list[dict[str, object]], missing: str, needs_target: bool
) -> None:
    schema = Schema.of(
        RecordConfig.model_validate(
            {
                "shape": [2],
                "classes": ["calm", "rough"],
                "encoding": "fields",
                "features": ["heat", "deep.load"],
                "prediction": "said",
                "weight": "w",
                "missing": missing,
            }
        )
    )
    payloads = [orjson.dumps(message) for message in messages]
    together = schema.parse_all(payloads, needs_target=needs_target, latest=1e10)
    assert sorted([*together.places, *together.faults]) == list(range(len(payloads)))
    assert together.prediction is not None
    assert together.weight is not None
    for place, payload in enumerate(payloads):
        alone = schema.parse_all([payload], needs_target=needs_target, latest=1e10)
        assert alone.prediction is not None
        assert alone.weight is not None
        if place in together.faults:
            assert str(alone.faults[0]) == str(together.faults[place])
            continue
        row = together.places.index(place)
        np.testing.assert_array_equal(together.x[row], alone.x[0])
        np.testing.assert_array_equal(together.times[row], alone.times[0])
        assert together.ids[row] == alone.ids[0]
        assert together.target[row] == alone.target[0]
        assert together.prediction[row] == alone.prediction[0]
        assert together.weight[row] == alone.weight[0]
