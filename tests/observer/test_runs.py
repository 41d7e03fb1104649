import numpy as np
import pytest

from adaptd.observer.runs import runs


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("", []),
        ("000", []),
        ("111", [slice(0, 3)]),
        ("0110100", [slice(1, 3), slice(4, 5)]),
    ],
)
def test_the_longest_stretches_are_found(mask: str, expected: list[slice]) -> None:
    assert runs(np.array([one == "1" for one in mask], np.bool_)) == expected
