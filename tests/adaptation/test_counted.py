import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.adaptation.counted import Counted

# Gaps between parts, and the hits of each part.
parts = st.lists(st.tuples(st.integers(0, 3), st.lists(st.booleans(), max_size=20)), max_size=8)


@given(parts)
def test_it_comes_back_exactly_through_json(parts: list[tuple[int, list[bool]]]) -> None:
    counted, at = Counted(), 10
    numbers: list[int] = []
    hits: list[bool] = []
    for gap, part in parts:
        at += gap
        counted.add(at, np.array(part, np.bool_))
        numbers += range(at, at + len(part))
        hits += part
        at += len(part)
    back = Counted.restore(json.loads(json.dumps(counted.state())))
    assert [number for first, end in back.ranges for number in range(first, end)] == numbers
    assert back.deployed_hits.tolist() == hits
    assert len(back) == len(numbers)


def test_parts_that_follow_each_other_are_one_range() -> None:
    counted = Counted()
    for first in (5, 7, 12):
        counted.add(first, np.array([True, False]))
    assert counted.ranges == [(5, 9), (12, 14)]


def test_it_goes_on_where_it_was_restored() -> None:
    counted = Counted()
    counted.add(0, np.array([True] * 3))
    back = Counted.restore(counted.state())
    back.add(3, np.array([False]))
    assert back.ranges == [(0, 4)]
    assert back.deployed_hits.tolist() == [True, True, True, False]


def test_fewer_hits_than_records_are_refused() -> None:
    with pytest.raises(ValueError, match="20 records"):
        Counted.restore({"ranges": [[0, 20]], "deployed_hits": "AAA="})
