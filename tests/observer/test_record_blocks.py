import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptd.observer.record_blocks import MOST_VALUES, RecordBlocks, thinned

X = np.random.default_rng(0).standard_normal((100, 2, 5)).astype(np.float32)
TIMES = np.arange(100.0)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 100), max_size=8).map(sorted), kill=st.integers(0, 8))
def test_blocks_are_the_same_however_records_come(cuts: list[int], kill: int) -> None:
    made, found = RecordBlocks(16), []
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, 100], strict=True)):
        found += made.put(7 + start, {"x": X[start:stop], "times": TIMES[start:stop]})
        if number == kill:
            state = json.loads(json.dumps(made.state()))
            made = RecordBlocks(16)
            made.restore(state)
    assert [block.first_record for block in found] == list(range(7, 100, 16))[:6]
    for place, block in enumerate(found):
        assert np.array_equal(block.x, X[16 * place : 16 * place + 16])
        assert block.times is not None
        assert np.array_equal(block.times, TIMES[16 * place : 16 * place + 16])
    assert made.waiting == 4


def test_after_clear_a_block_begins_with_the_next_record() -> None:
    made = RecordBlocks(16)
    assert made.put(0, {"x": X[:10]}) == []
    made.clear()
    (block,) = made.put(10, {"x": X[10:26]})
    assert block.first_record == 10


def test_a_state_of_other_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="blocks of 16"):
        RecordBlocks(8).restore(RecordBlocks(16).state())


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        ((3, 64), (3, 64)),
        ((8, 128), (8, 64)),
        ((1, 32, 32), (1, 16, 16)),
        ((64, 16), (64, 8)),
        ((700,), (700,)),
    ],
)
def test_long_records_are_thinned_along_their_axes(
    shape: tuple[int, ...], kept: tuple[int, ...]
) -> None:
    x = np.zeros((2, *shape), np.float32)
    assert thinned(x).shape == (2, *kept)
    assert MOST_VALUES == 512
