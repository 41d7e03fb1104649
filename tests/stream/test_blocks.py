import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.stream.blocks import Block, Blocks


def cut(blocks: Blocks, values: list[float], cuts: list[int], *, first: int) -> list[Block]:
    made = []
    edges = [0, *sorted(min(place, len(values)) for place in cuts), len(values)]
    for start, end in pairwise(edges):
        part = np.array(values[start:end])
        made += blocks.put(first + start, {"loss": part, "hit": part > 0})
    return made


_VALUES = st.lists(st.floats(-5, 5, width=32), max_size=80)
_CUTS = st.lists(st.integers(0, 80), max_size=8)


@given(values=_VALUES, cuts=_CUTS, size=st.integers(1, 20), first=st.integers(0, 1_000))
def test_blocks_do_not_depend_on_how_the_records_were_polled(
    values: list[float], cuts: list[int], size: int, first: int
) -> None:
    made = cut(Blocks(size, ("loss", "hit")), values, cuts, first=first)
    assert [block.first_record for block in made] == [
        first + start for start in range(0, len(values) - size + 1, size)
    ]
    for block in made:
        start = block.first_record - first
        assert len(block) == size
        assert block.values["loss"].tolist() == values[start : start + size]
        assert block.values["hit"].tolist() == [v > 0 for v in values[start : start + size]]


@given(values=_VALUES, size=st.integers(1, 20), at=st.integers(0, 80))
def test_a_restored_state_goes_on_as_if_nothing_had_happened(
    values: list[float], size: int, at: int
) -> None:
    at = min(at, len(values))
    before = Blocks(size, ("loss", "hit"))
    made = cut(before, values[:at], [], first=10)
    after = Blocks(size, ("loss", "hit"))
    after.restore(json.loads(json.dumps(before.state())))
    made += cut(after, values[at:], [], first=10 + at)
    assert [value for block in made for value in block.values["loss"]] == values[
        : len(values) // size * size
    ]


def test_after_clearing_the_next_record_begins_a_block() -> None:
    blocks = Blocks(4, ("loss",))
    assert blocks.put(0, {"loss": np.zeros(6)})[0].first_record == 0
    assert blocks.waiting == 2
    blocks.clear()
    (block,) = blocks.put(6, {"loss": np.ones(4)})
    assert block.first_record == 6
    assert block.values["loss"].tolist() == [1, 1, 1, 1]


def test_a_repetition_is_refused() -> None:
    blocks = Blocks(4, ("loss",))
    blocks.put(0, {"loss": np.zeros(2)})
    again = Blocks(4, ("loss",))
    again.restore(json.loads(json.dumps(blocks.state())))
    for seen in (blocks, again):
        with pytest.raises(ValueError, match="from 2 on"):
            seen.put(1, {"loss": np.zeros(1)})


def test_records_may_be_left_out_within_a_block_and_between() -> None:
    blocks = Blocks(3, ("loss",))
    assert blocks.put(0, {"loss": np.array([0.0, 1.0])}) == []
    first, second = blocks.put(5, {"loss": np.array([5.0, 6.0, 7.0, 8.0])})
    assert (first.first_record, first.values["loss"].tolist()) == (0, [0, 1, 5])
    assert (second.first_record, second.values["loss"].tolist()) == (6, [6, 7, 8])


def test_columns_must_be_those_that_were_named() -> None:
    blocks = Blocks(4, ("loss", "hit"))
    for wrong in (
        {"loss": np.zeros(2)},
        {"loss": np.zeros(2), "hit": np.zeros(1)},
        {"loss": np.zeros(2), "hit": np.zeros(2), "x": np.zeros(2)},
    ):
        with pytest.raises(ValueError, match="expected"):
            blocks.put(0, wrong)


def test_the_state_of_other_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="of 4 records"):
        Blocks(5, ("loss",)).restore(Blocks(4, ("loss",)).state())
