import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.drift.fault_shares import fault_shares

# Few values, so that many are alike; some are missing.
_VALUES = st.sampled_from([0.0, -0.0, 1.0, 2.0, np.inf, np.nan])


@given(column=st.lists(_VALUES, min_size=1, max_size=20))
def test_of_a_table_the_most_frequent_value_is_what_counts_as_constant(
    column: list[float],
) -> None:
    x = np.array([[value, 7.0] for value in column], np.float32).reshape(-1, 2)
    of_column, of_one_value = fault_shares(x)[:, 1]
    most = max((column.count(value) for value in column if not np.isnan(value)), default=0)
    assert of_column == pytest.approx(most / len(column))
    assert of_one_value == 1


def test_of_a_sequence_each_record_counts_by_itself() -> None:
    x = np.random.default_rng(0).standard_normal((8, 2, 5)).astype(np.float32)
    x[2:6, 0] = 3.0
    x[6:, 1, 4] = np.nan
    # Missing, constant, equal to the record before.
    assert fault_shares(x).tolist() == [[0, 0.5, 3 / 7], [0.25, 0, 0]]
