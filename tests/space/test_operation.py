"""Operations and their texts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.space.operation import Depthwise, parse_operation

operations = st.builds(
    Depthwise, st.integers(0, 40).map(lambda half: 2 * half + 1), st.integers(1, 40)
)


@given(operations)
def test_text_and_operation_are_one_to_one(operation: Depthwise) -> None:
    assert parse_operation(str(operation)) == operation


@given(operations)
def test_offsets_lie_evenly_about_the_middle_and_end_at_the_reach(operation: Depthwise) -> None:
    offsets = operation.offsets
    assert len(offsets) == operation.taps
    assert offsets == tuple(-offset for offset in reversed(offsets))
    assert offsets[-1] == operation.reach
    assert {b - a for a, b in pairwise(offsets)} <= {operation.dilation}


@given(st.text(max_size=12))
def test_whatever_is_read_is_written_the_same(text: str) -> None:
    try:
        operation = parse_operation(text)
    except ValueError:
        return
    assert str(operation) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dw",
        "k5 d1",
        "dw k5",
        "dw k05 d1",
        "dw k5 d01",
        "dw k5 d0",
        "dw  k5 d1",
        "dw k5 d1 ",
        "DW k5 d1",
        "dw k5 d1\n",
        "dw k\u0665 d1",
    ],
)
def test_a_text_of_another_form_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="'dw k<taps> d<dilation>'"):
        parse_operation(text)


def test_an_even_kernel_is_refused_because_it_has_no_middle() -> None:
    with pytest.raises(ValueError, match=r"'dw k4 d1': taps must be odd and at least 1, got 4"):
        parse_operation("dw k4 d1")


@pytest.mark.parametrize(("taps", "dilation"), [(0, 1), (-3, 1), (2, 1), (3, 0), (3, -1)])
def test_impossible_operations_cannot_be_made(taps: int, dilation: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        Depthwise(taps, dilation)


def test_macs_are_depthwise_plus_pointwise() -> None:
    assert Depthwise(5, 4).macs(channels=16, length=64) == 64 * (16 * 5 + 16 * 16)


def test_growing_adds_a_tap_on_either_side() -> None:
    assert Depthwise(5, 4).grown() == Depthwise(7, 4)
