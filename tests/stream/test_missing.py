import math

import numpy as np
import orjson
import pytest

from adaptd.config import RecordConfig
from adaptd.stream.reject import UnfitRecordError
from adaptd.stream.schema import Schema

FEATURES = ("temperature", "pressure")


def schema(**changes: object) -> Schema:
    fields = {"shape": [2], "classes": ["calm", "rough"], "features": FEATURES, **changes}
    return Schema.of(RecordConfig.model_validate(fields))


def table(**changes: object) -> Schema:
    return schema(encoding="fields", **changes)


def fields(**numbers: object) -> bytes:
    return orjson.dumps({"id": "a", "target": "calm", **numbers})


def array(text: str) -> bytes:
    return f'{{"id": "a", "target": "calm", "x": {text}}}'.encode()


def reason(of: Schema, payload: bytes) -> str:
    with pytest.raises(UnfitRecordError) as caught:
        of.parse(payload)
    return caught.value.reason


def test_a_record_that_lacks_a_number_does_not_fit_unless_told_otherwise() -> None:
    assert reason(schema(), array("[1, NaN]")) == "not-finite"
    assert reason(schema(), array("[1, null]")) == "wrong-type"
    assert reason(table(), fields(temperature=1)) == "missing-field"
    assert reason(table(), fields(temperature=1, pressure=None)) == "missing-field"


@pytest.mark.parametrize("number", ["NaN", "null"])
def test_zero_stands_in(number: str) -> None:
    zero = schema(missing="zero")
    parsed = zero.parse_all([array("[5, 6]"), array(f"[{number}, 2.5]"), array("[7, 8]")])
    assert parsed.x.tolist() == [[5, 6], [0, 2.5], [7, 8]]
    assert reason(zero, array("[Infinity, 1]")) == "not-finite"
    assert reason(zero, array("[1e39, 1]")) == "not-finite"
    assert reason(zero, b'{"id": "a", "target": "calm", "x": null}') == "missing-field"


def test_zero_stands_in_for_fields_that_are_absent_or_null() -> None:
    zero = table(missing="zero")
    payloads = [fields(temperature=1), fields(pressure=2, temperature=None), fields()]
    assert zero.parse_all(payloads).x.tolist() == [[1, 0], [0, 2], [0, 0]]


def test_each_feature_has_its_own_number() -> None:
    for policy, other in (("zero", 0.0), ("reject", None)):
        of = table(missing=policy, stand_ins={"temperature": 21.5})
        assert of.parse(fields(pressure=1)).x.tolist() == [21.5, 1]
        if other is None:
            assert reason(of, fields(temperature=1)) == "missing-field"
            nested = schema(missing=policy, stand_ins={"temperature": 21.5})
            assert nested.parse(array("[null, 1]")).x.tolist() == [21.5, 1]
            assert reason(nested, array("[1, null]")) == "not-finite"
        else:
            assert of.parse(fields(temperature=1)).x.tolist() == [1, other]


def test_a_channel_has_one_number_for_all_of_it() -> None:
    of = schema(shape=[2, 2], stand_ins={"pressure": -1})
    assert of.parse(array("[[1, 2], [null, 3]]")).x.tolist() == [[1, 2], [-1, 3]]
    x = np.array([[[1, 2], [math.nan, 3]], [[math.nan, 0], [math.nan, math.nan]]], np.float32)
    unfit = of.settle(x)
    assert list(unfit) == [1]
    assert "temperature" in unfit[1].detail


def test_nan_in_a_field_that_nobody_names_harms_nothing() -> None:
    payload = b'{"id": "a", "target": "calm", "x": [1, 2], "other": NaN}'
    assert schema().parse(payload).x.tolist() == [1, 2]
    # No UTF-8: half of a surrogate pair could not be kept.
    assert reason(schema(), payload.replace(b'"a"', b'"\\ud800"')) == "unreadable"
