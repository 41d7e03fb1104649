import numpy as np
import pytest

from adaptd.stream.reject import UnfitRecordError
from adaptd.stream.weights import weight_of, weights_of

BAD = [0, 0.0, -1, -0.5, float("nan"), float("inf"), 1e39, 10**400, 1e-50, True, "2", "", [1], {}]


@pytest.mark.parametrize("value", BAD)
def test_what_is_no_weight_is_named(value: object) -> None:
    with pytest.raises(UnfitRecordError, match="w must be a finite number above 0, got") as caught:
        weight_of(value, field="w")
    assert caught.value.reason == "weight"


def test_weights_are_numbers_and_what_is_absent_weighs_one() -> None:
    weights = weights_of([2, 0.5, None, 3e38, 1e-37], field="w")
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, np.array([2, 0.5, 1, 3e38, 1e-37], np.float32))
    assert weights_of([], field="w").shape == (0,)
