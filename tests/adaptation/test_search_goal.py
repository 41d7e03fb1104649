"""What a search is to reach, as text."""

import pytest

from adaptd.adaptation.search_goal import Goal


@pytest.mark.parametrize(
    ("text", "goal", "cap"),
    [
        ("accuracy", Goal(), None),
        ("accuracy+macs:1.1x", Goal(macs_ratio=1.1), 1_100),
        ("accuracy + macs:2x", Goal(macs_ratio=2.0), 2_000),
        ("accuracy+macs:250000", Goal(macs=250_000), 250_000),
    ],
)
def test_a_cap_is_relative_to_the_given_network_or_absolute(
    text: str, goal: Goal, cap: int | None
) -> None:
    assert Goal.parse(text) == goal
    assert goal.cap(1_000) == cap


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", "''"),
        ("speed", "'speed'"),
        ("accuracy+latency:3", "'latency:3'"),
        ("accuracy+macs:1.1", "'macs:1.1'"),
        ("accuracy+macs:0x", "'macs:0x'"),
        ("accuracy+macs:-5", "'macs:-5'"),
        ("accuracy+macs:", "'macs:'"),
        ("accuracy+macs:1x+macs:2x", "2 caps"),
    ],
)
def test_anything_else_is_refused_with_what_was_seen_and_what_is_expected(
    text: str, seen: str
) -> None:
    with pytest.raises(ValueError, match=r"expected accuracy, accuracy\+macs:RATIOx") as error:
        Goal.parse(text)
    assert f"got {seen}" in str(error.value)
