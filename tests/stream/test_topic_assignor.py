from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from adaptd.stream.topic_assignor import share

TOPICS = ("a", "b", "c", "d", "e")
Held = Mapping[str, set[str]]


def settled(held: Held) -> dict[str, set[str]]:
    """What members hold once the rebalances have ended that follow from each other.

    Nobody is ever given what another has not let go of: that is what this checks on the way.
    """
    members = sorted(held)
    now = {member: set(topics) for member, topics in held.items()}
    for _ in range(len(TOPICS) + 1):
        given_now = share(members, wanted=dict.fromkeys(members, TOPICS), held=now)
        for member in members:
            for topic in given_now[member]:
                assert not any(topic in now[other] for other in members if other != member)
        if given_now == now:
            return now
        now = given_now
    raise AssertionError("rebalances do not end")


def test_a_lone_member_has_every_topic() -> None:
    assert settled({"m": set()}) == {"m": set(TOPICS)}


@given(st.lists(st.sampled_from(["m1", "m2", "m3", "m4", None]), min_size=5, max_size=5))
def test_every_topic_has_one_member_and_no_member_has_two_more_than_another(
    holders: list[str | None],
) -> None:
    held: dict[str, set[str]] = {member: set() for member in ("m1", "m2", "m3", "m4")}
    for topic, holder in zip(TOPICS, holders, strict=True):
        if holder is not None:
            held[holder].add(topic)
    after = settled(held)
    assert sorted(topic for topics in after.values() for topic in topics) == list(TOPICS)
    sizes = [len(topics) for topics in after.values()]
    assert max(sizes) - min(sizes) <= 1


@given(st.sets(st.sampled_from(TOPICS)))
def test_a_member_that_leaves_takes_nothing_from_those_that_stay(of_first: set[str]) -> None:
    stays = settled({"m1": of_first, "m2": set(TOPICS) - of_first, "m3": set()})
    after = settled({member: stays[member] for member in ("m1", "m2")})
    assert stays["m1"] <= after["m1"]
    assert stays["m2"] <= after["m2"]


def test_a_topic_is_given_to_nobody_until_its_holder_has_let_go_of_it() -> None:
    held = {"m1": set(TOPICS), "m2": set()}
    given_now = share(["m1", "m2"], wanted=dict.fromkeys(held, TOPICS), held=held)
    assert given_now == {"m1": {"c", "d", "e"}, "m2": set()}


def test_one_topic_never_moves_to_a_member_that_joins() -> None:
    wanted = dict.fromkeys(("m1", "m2"), ("a",))
    held: Held = {"m1": set(), "m2": {"a"}}
    assert share(["m1", "m2"], wanted=wanted, held=held) == {"m1": set(), "m2": {"a"}}


def test_a_topic_goes_to_none_but_those_that_read_it() -> None:
    wanted = {"m1": ("a", "b"), "m2": ("b",), "m3": ()}
    shared = share(["m1", "m2", "m3"], wanted=wanted, held=dict.fromkeys(wanted, ()))
    assert shared == {"m1": {"a"}, "m2": {"b"}, "m3": set()}


def test_what_its_holder_reads_no_longer_waits_for_the_next_rebalance() -> None:
    wanted = {"m1": ("b",), "m2": ("a", "b")}
    held: Held = {"m1": {"a"}, "m2": set()}
    assert share(["m1", "m2"], wanted=wanted, held=held) == {"m1": {"b"}, "m2": set()}
    assert share(["m1", "m2"], wanted=wanted, held={"m1": {"b"}, "m2": set()}) == {
        "m1": {"b"},
        "m2": {"a"},
    }
