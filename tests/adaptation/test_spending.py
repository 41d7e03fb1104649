"""A stream's alpha lasts for all its tests."""

import math

import pytest

from adaptd.adaptation.spending import share_of


def test_shares_never_come_to_more_than_the_whole_and_come_near_it() -> None:
    spent = math.fsum(share_of(test) for test in range(1, 10_001))
    assert spent < 1
    assert spent == pytest.approx(1 - 1 / 10_001)


def test_first_test_may_spend_half() -> None:
    assert [share_of(test) for test in (1, 2, 3)] == pytest.approx([1 / 2, 1 / 6, 1 / 12])


def test_tests_are_numbered_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        share_of(0)
