"""Which records lie in a stretch of them, of several partitions."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adaptd.observer.stretches import Stretches

RECORDS = 120


@given(
    partitions=st.lists(st.integers(0, 3), min_size=RECORDS, max_size=RECORDS),
    spans=st.lists(st.tuples(st.integers(0, RECORDS), st.integers(1, 30)), max_size=8),
    order=st.permutations(range(RECORDS)),
)
def test_a_record_is_in_one_if_its_number_is_whatever_its_partition(
    partitions: list[int], spans: list[tuple[int, int]], order: list[int]
) -> None:
    offsets = np.random.default_rng(0).integers(1, 5, RECORDS).cumsum()
    positions = np.stack([np.array(partitions), offsets], axis=1)
    made, inside, until = Stretches(), np.zeros(RECORDS, np.bool_), 0
    for first, count in sorted(spans):
        if first + count > until:
            until = first + count
            made.put(first, until)
            made.cover(0, positions)
            inside[first:until] = True
    kept = Stretches()
    kept.restore(json.loads(json.dumps(made.state(), allow_nan=False)))
    for stretches in (made, kept):
        assert np.array_equal(stretches.hold(positions[order]), inside[order])
        assert not stretches.hold(positions + np.array([4, 0])).any()


def test_what_touches_is_one_and_what_does_not_is_another() -> None:
    made = Stretches()
    assert made.latest is None
    made.put(10, 20)
    made.put(20, 30)
    assert made.latest == (10, 30)
    made.put(31, 40)
    assert made.latest == (31, 40)
