"""Poison is set aside; a schema that has changed stops the stream."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from adaptd.errors import SourceError
from adaptd.stream.breaker import Breaker
from adaptd.stream.reject import Reject

Noted = tuple[NDArray[np.int64], tuple[Reject, ...]]


def polled(bad: list[bool], *, first: int = 0) -> Noted:
    """Records of one partition in their order, of which some are bad."""
    good = [(0, first + place) for place, is_bad in enumerate(bad) if not is_bad]
    rejects = tuple(
        Reject("wrong-shape", 0, first + place, "got 3 where 2 belong", b"[1,2,3]")
        for place, is_bad in enumerate(bad)
        if is_bad
    )
    return np.array(good, np.int64).reshape(-1, 2), rejects


def breaks_at(bad: list[bool], *, polls: int, records: int, share: float) -> int | None:
    """Number of the record at which it breaks, however they are polled; None if it holds."""
    breaker = Breaker(records=records, maximum_share=share)
    for first in range(0, len(bad), polls):
        try:
            breaker.note(*polled(bad[first : first + polls], first=first))
        except SourceError:
            return first // polls
    return None


def test_half_is_still_poison_and_more_is_not() -> None:
    breaker = Breaker(records=8, maximum_share=0.5)
    breaker.note(*polled([True, False] * 20))
    with pytest.raises(SourceError) as caught:
        breaker.note(*polled([True, True], first=40))
    text = str(caught.value)
    assert "5 of the latest 8 records" in text
    assert "wrong-shape 5" in text
    assert "got 3 where 2 belong" in text
    assert "offset 41" in text


def test_a_few_bad_ones_at_the_start_are_not_most_of_a_full_look_back() -> None:
    breaker = Breaker(records=100, maximum_share=0.5)
    breaker.note(*polled([True] * 50))
    with pytest.raises(SourceError, match="51 of the latest 51"):
        breaker.note(*polled([True], first=50))


def test_a_share_of_one_never_breaks() -> None:
    Breaker(records=10, maximum_share=1).note(*polled([True] * 100))


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 20), st.integers(1, 12))
def test_it_breaks_in_the_poll_of_the_very_record(bad: list[bool], size: int, records: int) -> None:
    share = 0.5
    expected = next(
        (
            place
            for place in range(len(bad))
            if sum(bad[max(0, place + 1 - records) : place + 1]) > share * records
        ),
        None,
    )
    found = breaks_at(bad, polls=size, records=records, share=share)
    assert found == (None if expected is None else expected // size)


def test_a_process_that_is_started_again_and_again_lets_no_more_pass() -> None:
    first = Breaker(records=8, maximum_share=0.5, schema_digest="a")
    first.note(*polled([True, False, True, True, True, False]))
    kept = json.loads(json.dumps(first.state()))
    again = Breaker(records=8, maximum_share=0.5, schema_digest="a")
    again.restore(kept)
    assert again.state() == first.state()
    with pytest.raises(SourceError, match="5 of the latest 7"):
        again.note(*polled([True], first=6))
    another = Breaker(records=8, maximum_share=0.5, schema_digest="b")
    another.restore(kept)
    another.note(*polled([True] * 4, first=6))


def test_a_shorter_look_back_takes_the_latest() -> None:
    long = Breaker(records=8, maximum_share=0.5)
    long.note(*polled([True, True, False, False, False, True]))
    short = Breaker(records=4, maximum_share=0.5)
    short.restore(long.state())
    short.note(*polled([True], first=6))
    with pytest.raises(SourceError, match="3 of the latest 4"):
        short.note(*polled([True], first=7))
