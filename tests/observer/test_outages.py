import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from adaptd.observer.outages import Outages
from adaptd.observer.stretches import MOST_ROWS

SIZE = 10
RECORDS = 400
# Blocks of which a channel is broken: an outage, one that has a block in between, and a glitch.
BROKEN = (5, 6, 7, 15, 17, 30)


def positions(partitions: int = 1) -> NDArray[np.int64]:
    """Of records that come from partitions in turn; offsets have gaps."""
    numbers = np.arange(RECORDS)
    return np.stack([numbers % partitions, 100 + 3 * (numbers // partitions)], axis=1)


def shown(
    outages: Outages, found: NDArray[np.int64], first: int, end: int, broken: Sequence[int] = BROKEN
) -> None:
    """As blocks are filled by records `first` to `end` - 1."""
    filled = range(first // SIZE, end // SIZE)
    blocks = [(block * SIZE, block * SIZE + SIZE) for block in filled if block in broken]
    outages.see(first, found[first:end], blocks)


def numbers(mask: NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(mask).tolist()


@pytest.mark.parametrize("partitions", [1, 3])
def test_an_outage_begins_a_block_before_it_was_noticed_and_ends_a_block_later(
    partitions: int,
) -> None:
    outages, found = Outages(SIZE), positions(partitions)
    shown(outages, found, 0, RECORDS)
    expected = [*range(40, 90), *range(140, 190), *range(290, 320)]
    assert numbers(outages.are_broken(found)) == expected
    latest = outages.latest
    assert latest is not None
    assert latest == (290, 320)
    # In whatever order they are asked for, as labels come.
    order = np.random.default_rng(0).permutation(RECORDS)
    assert sorted(order[outages.are_broken(found[order])].tolist()) == expected
    # Of another partition nothing is known.
    assert not outages.are_broken(found + np.array([partitions, 0])).any()


def test_what_was_known_as_a_block_began_is_what_came_after_a_broken_one() -> None:
    outages, found = Outages(SIZE), positions()
    shown(outages, found, 0, RECORDS)
    after = [block * SIZE + SIZE + place for block in BROKEN for place in range(SIZE)]
    assert numbers(outages.were_known(found)) == after


@given(
    cuts=st.lists(st.integers(0, RECORDS), max_size=20).map(sorted),
    kills=st.lists(st.integers(0, 20), max_size=3),
    broken=st.sets(st.integers(0, RECORDS // SIZE - 1)).map(sorted),
    partitions=st.integers(1, 4),
)
def test_a_record_is_judged_alike_however_the_stream_is_polled_and_whatever_is_killed(
    cuts: list[int], kills: list[int], broken: list[int], partitions: int
) -> None:
    found = positions(partitions)
    whole, made = Outages(SIZE), Outages(SIZE)
    shown(whole, found, 0, RECORDS, broken)
    is_known, is_broken = whole.were_known(found), whole.are_broken(found)
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, RECORDS], strict=True)):
        shown(made, found, start, stop, broken)
        if number in kills:
            kept = json.loads(json.dumps(made.state(), allow_nan=False))
            made = Outages(SIZE)
            made.restore(kept)
        # At once what was known, and two blocks later what became of it.
        own = slice(start, stop)
        assert np.array_equal(made.were_known(found[own]), is_known[own])
        settled = slice(0, max(0, stop - made.known_after))
        assert np.array_equal(made.are_broken(found[settled]), is_broken[settled])
    assert made.state() == whole.state()
    # Never one that was known to be broken and is not.
    assert not (is_known & ~is_broken).any()


def gone_by(partitions: int, *, every: int, blocks: int) -> tuple[Outages, NDArray[np.int64]]:
    """One broken block in so many, of records that come from partitions in turn."""
    outages = Outages(SIZE)
    count = np.arange(blocks * SIZE)
    found = np.stack([count % partitions, count // partitions], axis=1)
    for block in range(blocks):
        first, end = block * SIZE, block * SIZE + SIZE
        outages.see(first, found[first:end], [] if block % every else [(first, end)])
    return outages, found


def test_the_latest_are_kept() -> None:
    outages, found = gone_by(1, every=4, blocks=4 * MOST_ROWS + 80)
    is_broken = outages.are_broken(found)
    # Three blocks of four, but of the first.
    assert not is_broken[: 4 * SIZE].any()
    assert is_broken[-MOST_ROWS * 4 * SIZE :].mean() == pytest.approx(0.75, abs=0.01)


def test_a_sensor_that_flickers_is_one_outage_of_which_little_is_kept() -> None:
    partitions, blocks = 64, 1_100
    outages, found = gone_by(partitions, every=2, blocks=blocks)
    assert outages.latest == (-SIZE, blocks * SIZE)
    assert outages.are_broken(found).all()
    # It was known of each block that followed a broken one.
    latest = found[-20 * SIZE :].reshape(10, 2, SIZE, 2)
    assert outages.were_known(latest[:, 1].reshape(-1, 2)).all()
    assert not outages.were_known(latest[:, 0].reshape(-1, 2)).any()
    # Ten partitions a block: all of them would be 5,500 rows.
    assert len(json.dumps(outages.state())) < 2 * 24 * MOST_ROWS


def test_where_nobody_looks_any_more_nothing_is_known_of_any_from_before() -> None:
    outages, found = Outages(SIZE), positions()
    shown(outages, found, 0, RECORDS)
    unwatched = Outages(SIZE, is_watched=False)
    unwatched.restore(outages.state())
    assert unwatched.latest is None
    assert not unwatched.are_broken(found).any()
    assert not unwatched.were_known(found).any()
    # Once somebody looks again, it begins anew.
    again = Outages(SIZE)
    again.restore(unwatched.state())
    shown(again, found, 0, RECORDS)
    assert again.state() == outages.state()


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="schema_version must be 2, got 9"):
        Outages(SIZE).restore({"schema_version": 9})
