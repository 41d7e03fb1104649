"""What a search is to reach, as text."""

import pytest

from adaptd.adaptation.search.goal import Bound, Goal


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("accuracy", Goal()),
        ("accuracy+macs:1.1x", Goal(macs=Bound(1.1, is_ratio=True))),
        ("accuracy + macs:2x", Goal(macs=Bound(2.0, is_ratio=True))),
        ("accuracy+macs:250000", Goal(macs=Bound(250_000))),
        (
            "accuracy+latency:2.5ms+parameters:900+macs:1x",
            Goal(Bound(1.0, is_ratio=True), Bound(900), Bound(0.0025)),
        ),
        ("accuracy+latency:1.2x", Goal(latency=Bound(1.2, is_ratio=True))),
    ],
)
def test_bounds_are_read_in_any_order(text: str, goal: Goal) -> None:
    assert Goal.parse(text) == goal


def test_a_bound_is_relative_to_the_given_network_or_absolute() -> None:
    assert Bound(1.5, is_ratio=True).most(1_000) == 1_500
    assert Bound(1.5).most(1_000) == 1.5


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", "''"),
        ("speed", "'speed'"),
        ("accuracy+size:3", "'size:3'"),
        ("accuracy+latency:3", "'latency:3'"),
        ("accuracy+latency:0ms", "'latency:0ms'"),
        ("accuracy+macs:3ms", "'macs:3ms'"),
        ("accuracy+macs:1.1", "'macs:1.1'"),
        ("accuracy+macs:0x", "'macs:0x'"),
        ("accuracy+macs:-5", "'macs:-5'"),
        ("accuracy+macs:", "'macs:'"),
        ("accuracy+macs", "'macs'"),
        ("accuracy+macs:1x+macs:2x", "macs twice"),
    ],
)
def test_anything_else_is_refused_with_what_was_seen_and_what_is_expected(
    text: str, seen: str
) -> None:
    with pytest.raises(ValueError, match=r"expected accuracy.*\+macs:RATIOx") as error:
        Goal.parse(text)
    assert f"got {seen}" in str(error.value)
