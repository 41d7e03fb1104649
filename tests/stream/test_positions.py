import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adaptd.stream.positions import Positions, are_among, none

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=30)


def made(rows: list[tuple[int, int]]) -> Positions:
    return np.array(rows, np.int64).reshape(-1, 2)


@given(ROWS, ROWS)
def test_a_position_is_a_partition_and_an_offset(
    rows: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    assert are_among(made(rows), made(others)).tolist() == [row in others for row in rows]


def test_nothing_is_among_none() -> None:
    assert not are_among(made([(0, 1), (1, 0)]), none()).any()
