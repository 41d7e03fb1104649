"""What all encodings of numbers have in common: they read back what they write."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from adaptd.config.record import NumberType
from adaptd.stream.numbers.array import ArrayNumbers
from adaptd.stream.numbers.fields import FieldNumbers
from adaptd.stream.numbers.numbers import Numbers
from adaptd.stream.numbers.raw import RawNumbers

_SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


def read_back(numbers: Numbers, x: np.ndarray, *, is_text: bool) -> np.ndarray:
    records: list[dict[str, Any]] = []
    for of_record in x:
        records.append({"id": "a"})
        numbers.write(records[-1], of_record, is_text=is_text)
    if is_text:
        records = [
            {
                key: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
                for key, value in record.items()
            }
            for record in records
        ]
    every = numbers.read_all(records)
    assert every is not None
    assert every.dtype == np.float32
    out = np.empty_like(x)
    for record, row in zip(records, out, strict=True):
        numbers.read(record, row)
    np.testing.assert_array_equal(every, out)
    return every


@given(data=st.data(), shape=_SHAPES, is_text=st.booleans())
def test_arrays_and_bytes_come_out_as_they_went_in(
    data: st.DataObject, shape: tuple[int, ...], is_text: bool
) -> None:
    floats = st.floats(width=32, allow_nan=False)
    x = data.draw(st_numpy.arrays(np.float32, (2, *shape), elements=floats))
    for numbers in (
        ArrayNumbers("x", shape, may_lack=False),
        ArrayNumbers("a.b", shape, may_lack=True),
        RawNumbers("x", shape, "float32"),
        RawNumbers("a.b.c", shape, "float64"),
    ):
        if "." in numbers._name and is_text:
            continue
        np.testing.assert_array_equal(read_back(numbers, x, is_text=is_text), x)


@given(data=st.data(), count=st.integers(1, 5))
def test_fields_come_out_as_they_went_in(data: st.DataObject, count: int) -> None:
    floats = st.floats(width=32, allow_nan=False)
    x = data.draw(st_numpy.arrays(np.float32, (3, count), elements=floats))
    plain = tuple(f"f{place}" for place in range(count))
    for names in (plain, tuple(f"a.{name}" for name in plain)):
        numbers = FieldNumbers(names, may_lack=(False,) * count)
        np.testing.assert_array_equal(read_back(numbers, x, is_text=False), x)


@pytest.mark.parametrize(
    ("dtype", "least", "most"),
    [
        ("int8", -128, 127),
        ("uint8", 0, 255),
        ("int16", -32_768, 32_767),
        ("uint16", 0, 65_535),
        ("int32", -(2**31), 2**31 - 128),
        ("uint32", 0, 2**32 - 256),
        ("int64", -(2**63), 2**62),
        ("float16", -65_504, 65_504),
    ],
)
def test_bytes_hold_what_their_type_holds(dtype: NumberType, least: int, most: int) -> None:
    x = np.array([[least, most, 7]], np.float32)
    for is_text in (False, True):
        read = read_back(RawNumbers("x", (3,), dtype), x, is_text=is_text)
        np.testing.assert_array_equal(read, x)
    if dtype != "int64":
        with pytest.raises(OverflowError, match=dtype):
            RawNumbers("x", (1,), dtype).write({}, np.array([2**40], np.float32), is_text=True)
