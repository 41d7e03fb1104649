"""Which channels are broken: what is looked at in passing misses none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptd.drift.block import SignalBlock
from adaptd.drift.signals.faults import FAULTS, Faults


def _drawn(rng: np.random.Generator, *, records: int, values: int, positions: int) -> SignalBlock:
    """Two channels of few different values, some of them missing."""
    shape = (records, 2, positions) if positions > 1 else (records, 2)
    x = rng.integers(0, values, shape).astype(np.float32)
    repeated = rng.random(records) < rng.random()
    for number in range(1, records):
        if repeated[number]:
            x[number] = x[number - 1]
    x[rng.random(records) < rng.random() / 4, 0] = np.nan
    return SignalBlock(0, x)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    records=st.integers(1, 12),
    values=st.integers(1, 6),
    positions=st.integers(1, 3),
)
def test_a_channel_is_broken_where_its_excess_says_so(
    seed: int, records: int, values: int, positions: int
) -> None:
    rng = np.random.default_rng(seed)
    faults = Faults()
    faults.fit([_drawn(rng, records=12, values=50, positions=positions) for _ in range(2)])
    block = _drawn(rng, records=records, values=values, positions=positions)
    excess = faults.excess(block)
    expected = {
        channel: FAULTS[int(excess[channel].argmax())]
        for channel in range(2)
        if excess[channel].max() >= 0.5
    }
    assert faults.broken(block) == expected


@pytest.mark.parametrize("period", [1, 2])
def test_half_of_a_column_at_one_value_is_found_however_it_is_spread(period: int) -> None:
    rng = np.random.default_rng(0)
    faults = Faults()
    faults.fit([SignalBlock(0, rng.normal(size=(32, 3)).astype(np.float32))])
    x = rng.normal(size=(32, 3)).astype(np.float32)
    x[::period, 1] = 7.0
    assert faults.broken(SignalBlock(0, x)) == ({1: "constant"} if period == 1 else {})
    x[1, 1] = 7.0
    assert set(faults.broken(SignalBlock(0, x))) == {1}
