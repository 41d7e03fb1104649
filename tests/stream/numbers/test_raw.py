import base64

import numpy as np
import pytest

from adaptd.stream.numbers.raw import RawNumbers
from adaptd.stream.reject import UnfitRecordError

NUMBERS = RawNumbers("x", (2, 2), "uint16")


def test_bytes_are_little_endian_in_c_order() -> None:
    read = NUMBERS.read_all([{"x": bytes([1, 0, 0, 1, 3, 0, 4, 0])}])
    assert read is not None
    assert read.tolist() == [[[1, 256], [3, 4]]]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing-field"),
        (b"1234567", "wrong-shape"),
        (base64.b64encode(b"123456789").decode(), "wrong-shape"),
        ("", "wrong-shape"),
        ("no base64!", "wrong-type"),
        ("é" * 8, "wrong-type"),
        ([1, 2, 3, 4], "wrong-type"),
    ],
)
def test_each_fault_has_its_reason(value: object, reason: str) -> None:
    assert NUMBERS.read_all([{"x": bytes(8)}, {"x": value}]) is None
    with pytest.raises(UnfitRecordError) as caught:
        NUMBERS.read({"x": value}, np.empty((2, 2), np.float32))
    assert caught.value.reason == reason
