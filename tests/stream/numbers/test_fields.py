import numpy as np
import pytest

from adaptd.stream.numbers.fields import FieldNumbers
from adaptd.stream.reject import UnfitRecordError

NUMBERS = FieldNumbers(("a", "b.c"), may_lack=(False, True))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"b": {"c": 1}}, "missing-field"),
        ({"a": None}, "missing-field"),
        ({"a": "1"}, "wrong-type"),
        ({"a": True}, "wrong-type"),
        ({"a": [1]}, "wrong-type"),
        ({"a": 1, "b": {"c": {}}}, "wrong-type"),
        ({"a": 10**400}, "not-finite"),
    ],
)
def test_each_fault_has_its_reason(record: dict[str, object], reason: str) -> None:
    assert NUMBERS.read_all([{"a": 1, "b": {"c": 2}}, record]) is None
    with pytest.raises(UnfitRecordError) as caught:
        NUMBERS.read(record, np.empty(2, np.float32))
    assert caught.value.reason == reason


@pytest.mark.parametrize("inner", [{}, {"b": None}, {"b": 3}, {"b": []}, {"b": {"c": None}}])
def test_a_field_that_may_be_absent_is_nan(inner: dict[str, object]) -> None:
    out = np.empty(2, np.float32)
    NUMBERS.read({"a": 1, **inner}, out)
    np.testing.assert_array_equal(out, [1, np.nan])


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_fields_that_all_may_be_absent_are_read_at_once(names: tuple[str, ...]) -> None:
    numbers = FieldNumbers(names, may_lack=(True,) * len(names))
    read = numbers.read_all([dict.fromkeys(names, 2), {"a": None}])
    assert read is not None
    np.testing.assert_array_equal(read, [[2] * len(names), [np.nan] * len(names)])
