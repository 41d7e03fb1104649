"""Which partitions stand still while their end moves."""

import pytest

from adaptd.stream.progress_watch import ProgressWatch


@pytest.mark.parametrize(
    ("before", "after", "stuck"),
    [
        (((5, 9), (7, 9)), ((5, 12), (9, 9)), [0]),
        (((5, 9), (7, 9)), ((5, 12), (7, 10)), [0, 1]),
        (((5, 9), (7, 9)), ((6, 12), (7, 9)), []),
        # At its end it may wait for ever, and a mark of a transaction may lie there.
        (((9, 9), (9, 10)), ((9, 12), (9, 10)), []),
    ],
    ids=["one", "both", "moves or nothing comes", "was at its end"],
)
def test_it_was_behind_has_not_moved_and_more_has_come(
    before: tuple[tuple[int, int], ...], after: tuple[tuple[int, int], ...], stuck: list[int]
) -> None:
    watch = ProgressWatch(30)
    looks = [
        [{partition: of[place] for partition, of in enumerate(seen)} for place in (0, 1)]
        for seen in (before, after)
    ]
    assert watch.look(0, positions=looks[0][0], ends=looks[0][1]) == []
    assert not watch.is_due(29)
    assert watch.is_due(30)
    assert watch.look(30, positions=looks[1][0], ends=looks[1][1]) == stuck


def test_another_client_has_not_been_looked_at() -> None:
    watch = ProgressWatch(30)
    watch.look(0, positions={0: 5}, ends={0: 9})
    watch.forget()
    assert watch.is_due(1)
    assert watch.look(1, positions={0: 5}, ends={0: 12}) == []


def test_a_partition_whose_end_is_not_known_is_none_of_them() -> None:
    watch = ProgressWatch(30)
    watch.look(0, positions={0: 5}, ends={0: 9})
    assert watch.look(30, positions={0: 5}, ends={}) == []
    assert watch.look(60, positions={0: 5}, ends={0: 12}) == []


def test_a_stream_that_was_not_read_meanwhile_is_not_stuck() -> None:
    watch = ProgressWatch(30)
    watch.look(0, positions={0: 5}, ends={0: 9})
    assert watch.look(61, positions={0: 5}, ends={0: 12}) == []
    assert watch.look(92, positions={0: 5}, ends={0: 15}) == [0]


def test_one_that_others_wait_for_is_stuck_though_its_end_stands_still() -> None:
    watch = ProgressWatch(30)
    ends = {0: 9, 1: 9, 2: 9}
    assert watch.wait(0, positions={0: 5, 1: 5, 2: 9}, ends=ends) == []
    assert watch.wait(29, positions={0: 5, 1: 5, 2: 9}, ends=ends) == []
    # One has moved, one is at its end, and of one the end is not known.
    assert watch.wait(30, positions={0: 5, 1: 6, 2: 9, 3: 5}, ends=ends) == [0]
    assert watch.wait(59, positions={1: 6}, ends=ends) == []
    assert watch.wait(60, positions={1: 6}, ends=ends) == [1]


@pytest.mark.parametrize("reason", ["at its end", "held", "another client", "not read"])
def test_what_is_waited_for_anew_is_not_stuck(reason: str) -> None:
    watch = ProgressWatch(30)
    watch.look(0, positions={}, ends={})
    watch.wait(0, positions={0: 5}, ends={0: 9})
    if reason == "at its end":
        watch.wait(10, positions={0: 9}, ends={0: 9})
    if reason == "held":
        watch.pass_over([0])
    if reason == "another client":
        watch.forget()
    if reason == "not read":
        watch.look(70, positions={}, ends={})
    assert watch.wait(70, positions={0: 5}, ends={0: 9}) == []
