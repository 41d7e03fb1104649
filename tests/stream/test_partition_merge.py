"""One order of a topic's records, whatever polls and fetches make of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, cycle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adaptd.architecture import Contract
from adaptd.clock import FakeClock
from adaptd.config import AlarmConfig
from adaptd.drift.alarm import Alarm
from adaptd.observer.observer import Observer
from adaptd.registry.scores import BlockScore
from adaptd.stream.batch import Batch, id_column
from adaptd.stream.partition_merge import ENOUGH_BYTES, ENOUGH_RECORDS, PartitionMerge
from tests.stream.partitions import MemoryPartitions, Message

WAIT_SECONDS = 5.0

Times = Mapping[int, Sequence[int | None]]


def merge_of(partitions: MemoryPartitions, clock: FakeClock | None = None) -> PartitionMerge:
    return PartitionMerge(partitions, clock=clock or FakeClock(), wait_seconds=WAIT_SECONDS)


def in_order(times: Times) -> list[tuple[int, int]]:
    """What is to come out: always the least of the next ones."""
    rest = {
        partition: [
            (-1 if time is None else time, partition, offset) for offset, time in enumerate(of)
        ]
        for partition, of in times.items()
    }
    found = []
    while any(rest.values()):
        _, partition, offset = min(of[0] for of in rest.values() if of)
        rest[partition].pop(0)
        found.append((partition, offset))
    return found


def drained(
    partitions: MemoryPartitions,
    polls: Sequence[int],
    *,
    merge: PartitionMerge | None = None,
    clock: FakeClock | None = None,
    count: int | None = None,
) -> list[Message]:
    """Polled with these maxima, again and again, until so many have come, by default all; where
    nothing comes, time passes."""
    used = clock or FakeClock()
    merge = merge or merge_of(partitions, used)
    if count is None:
        count = sum(map(len, partitions.messages.values())) - sum(merge.positions.values())
    found: list[Message] = []
    for maximum in chain(polls, cycle([7])):
        if len(found) >= count:
            break
        polled = merge.poll(maximum=min(maximum, count - len(found)), timeout_seconds=0.5)
        assert len(polled) <= maximum
        found += polled
        if not polled:
            used.advance(WAIT_SECONDS)
    return found


def places(messages: Sequence[Message]) -> list[tuple[int, int]]:
    return [(message.partition, message.offset) for message in messages]


# Close together, so that many are equal; some jump back, and some have none.
_TIMES = st.dictionaries(
    st.integers(0, 3),
    st.lists(st.one_of(st.integers(0, 12), st.none()), max_size=15),
    min_size=1,
    max_size=4,
)
_FETCHES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6)), max_size=30)
_POLLS = st.lists(st.integers(1, 9), max_size=30)


@given(times=_TIMES, fetches=_FETCHES, polls=_POLLS)
def test_the_order_is_the_same_whatever_is_fetched_and_polled(
    times: Times, fetches: list[tuple[int, int]], polls: list[int]
) -> None:
    assert places(drained(MemoryPartitions.of(times, fetches), polls)) == in_order(times)


@given(times=_TIMES, fetches=_FETCHES, polls=_POLLS, data=st.data())
def test_from_the_positions_at_any_place_it_goes_on_alike(
    times: Times, fetches: list[tuple[int, int]], polls: list[int], data: st.DataObject
) -> None:
    expected = in_order(times)
    killed_after = data.draw(st.integers(0, len(expected)))
    clock = FakeClock()
    partitions = MemoryPartitions.of(times, fetches)
    merge = merge_of(partitions, clock)
    before = drained(partitions, polls, merge=merge, clock=clock, count=killed_after)
    again = MemoryPartitions.of(times, data.draw(_FETCHES))
    resumed = merge_of(again, clock)
    resumed.seek(dict(merge.positions))
    after = drained(again, data.draw(_POLLS), merge=resumed, clock=clock)
    assert places([*before, *after]) == expected


@given(times=_TIMES, fetches=_FETCHES, polls=_POLLS)
def test_positions_are_those_of_what_was_given(
    times: Times, fetches: list[tuple[int, int]], polls: list[int]
) -> None:
    partitions = MemoryPartitions.of(times, fetches)
    merge = merge_of(partitions)
    expected = dict.fromkeys(times, 0)
    for maximum in polls:
        for message in merge.poll(maximum=maximum, timeout_seconds=0):
            expected[message.partition] += 1
        assert merge.positions == expected


@given(
    steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=40),
    fetches=_FETCHES,
    polls=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), max_size=60),
)
def test_records_that_come_while_it_reads_are_in_the_order_in_which_they_were_written(
    steps: list[tuple[int, int]], fetches: list[tuple[int, int]], polls: list[tuple[int, int]]
) -> None:
    """steps: partition and time since the one before, of each record. polls: the maximum, and how
    many records are written before it. Nobody is waited for so long that it is passed over."""
    written: dict[int, list[Message]] = {0: [], 1: [], 2: []}
    time = 0
    records = []
    for partition, after in steps:
        time += after
        records.append(Message(partition, len(written[partition]), time))
        written[partition].append(records[-1])
    partitions = MemoryPartitions({0: [], 1: [], 2: []}, fetches)
    clock = FakeClock()
    merge = merge_of(partitions, clock)
    found: list[Message] = []
    waiting = list(records)
    for maximum, count in polls:
        for record in waiting[:count]:
            partitions.messages[record.partition].append(record)
        del waiting[:count]
        clock.advance(WAIT_SECONDS / 100)
        found += merge.poll(maximum=maximum, timeout_seconds=0)
    for record in waiting:
        partitions.messages[record.partition].append(record)
    found += drained(partitions, [], merge=merge, clock=clock)
    assert places(found) == in_order(
        {key: [m.timestamp for m in of] for key, of in written.items()}
    )


# What a model makes of a stream that drifts: right on 19 of 20 records, then on one in four.
_RECORDS, _DRIFT = 1_100, 700
_CONTRACT = Contract(features=("a",), shape=(1, 4), classes=("x", "y", "z", "w"))


def scattered() -> MemoryPartitions:
    """A drifting stream over three partitions; a message's value says whether the model is right
    on it. Clocks of its senders differ, and some of its times jump back."""
    randomness = np.random.default_rng(11)
    messages: dict[int, list[Message]] = {0: [], 1: [], 2: []}
    for number in range(_RECORDS):
        partition = int(randomness.integers(0, 3))
        accuracy = 0.95 if number < _DRIFT else 0.25
        messages[partition].append(
            Message(
                partition,
                len(messages[partition]),
                1_000 * number + 20_000 * partition + int(randomness.integers(-9_000, 9_000)),
                b"hit" if randomness.random() < accuracy else b"miss",
            )
        )
    return MemoryPartitions(messages)


def observed(polls: Sequence[Sequence[Message]]) -> tuple[list[BlockScore], list[Alarm]]:
    observer = Observer(
        stream="pump", contract=_CONTRACT, alarm=AlarmConfig(block_records=32, warm_up_blocks=10)
    )
    observer.reset("d1")
    blocks: list[BlockScore] = []
    alarms: list[Alarm] = []
    first = 0
    for polled in polls:
        count = len(polled)
        right = np.array([message.value == b"hit" for message in polled])
        probabilities = np.full((count, 4), 0.05, np.float32)
        probabilities[np.arange(count), np.where(right, 0, 1)] = 0.85
        batch = Batch(
            x=np.zeros((count, 1, 4), np.float32),
            target=np.zeros(count, np.int64),
            ids=id_column(range(first, first + count)),
            timestamps=np.array([(message.timestamp or 0) / 1_000 for message in polled]),
            positions=np.array(places(polled)),
        )
        observation = observer.observe(
            batch,
            first_record=first,
            probabilities=probabilities,
            at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        blocks += observation.blocks
        alarms += observation.alarms
        first += count
    return blocks, alarms


@given(
    fetches=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 400)), max_size=20),
    polls=st.lists(st.integers(1, 300), max_size=20),
)
def test_blocks_and_alarms_are_the_same_whatever_is_fetched_and_polled(
    fetches: list[tuple[int, int]], polls: list[int]
) -> None:
    whole = scattered()
    expected = observed([drained(whole, [_RECORDS])])
    assert len(expected[0]) == _RECORDS // 32
    assert len(expected[1]) == 1
    clock = FakeClock()
    partitions = MemoryPartitions(whole.messages, fetches)
    merge = merge_of(partitions, clock)
    cut = []
    for maximum in chain(polls, cycle([64])):
        cut.append(merge.poll(maximum=maximum, timeout_seconds=0))
        if sum(map(len, cut)) == _RECORDS:
            break
        clock.advance(WAIT_SECONDS)
    assert observed([polled for polled in cut if polled]) == expected


def test_a_partition_that_has_nothing_is_waited_for_then_passed_over_and_it_is_told() -> None:
    clock = FakeClock()
    partitions = MemoryPartitions.of({0: [10], 1: [20, 30]})
    merge = merge_of(partitions, clock)
    assert places(merge.poll(maximum=9, timeout_seconds=0)) == [(0, 0)]
    assert merge.poll(maximum=9, timeout_seconds=0) == []
    clock.advance(WAIT_SECONDS - 0.1)
    assert merge.poll(maximum=9, timeout_seconds=0) == []
    assert partitions.asked == []
    clock.advance(0.1)
    with capture_logs() as logs:
        assert places(merge.poll(maximum=1, timeout_seconds=0)) == [(1, 0)]
    (told,) = logs
    assert (told["event"], told["partition"]) == ("source.partition_idle", 0)
    assert told["positions"] == {"0": 1, "1": 0}
    # What it gives late comes late, and once; from then on it is waited for again.
    partitions.messages[0].append(Message(0, 1, 15))
    partitions.messages[1].append(Message(1, 2, 40))
    assert places(merge.poll(maximum=9, timeout_seconds=0)) == [(0, 1)]
    assert merge.poll(maximum=9, timeout_seconds=0) == []
    clock.advance(WAIT_SECONDS)
    assert places(merge.poll(maximum=9, timeout_seconds=0)) == [(1, 1), (1, 2)]
    assert partitions.asked == [{0}, {0}]


def test_a_partition_that_is_waited_for_long_while_its_leader_has_messages_is_told_once() -> None:
    clock = FakeClock()
    # Of the first one nothing comes for long.
    partitions = MemoryPartitions.of({0: [10], 1: [20, 30]}, fetches=[(1, 9)] * 40)
    merge = merge_of(partitions, clock)
    with capture_logs() as logs:
        for _ in range(20):
            assert merge.poll(maximum=9, timeout_seconds=0) == []
            clock.advance(WAIT_SECONDS)
    (told,) = logs
    assert (told["event"], told["partition"], told["position"]) == ("source.partition_late", 0, 0)
    assert told["waited_seconds"] == 15
    partitions.fetches.clear()
    assert places(merge.poll(maximum=9, timeout_seconds=0)) == [(0, 0)]


def test_a_partition_that_is_passed_over_costs_one_wait() -> None:
    clock = FakeClock()
    partitions = MemoryPartitions.of({0: [], 1: [1]})
    merge = merge_of(partitions, clock)
    assert merge.poll(maximum=9, timeout_seconds=0) == []
    clock.advance(WAIT_SECONDS)
    for offset in range(1, 4):
        assert len(merge.poll(maximum=9, timeout_seconds=0)) == 1
        partitions.messages[1].append(Message(1, offset, offset))
        clock.advance(WAIT_SECONDS / 10)
        assert merge.positions == {0: 0, 1: offset}


def test_a_partition_whose_records_are_only_on_their_way_is_never_passed_over() -> None:
    clock = FakeClock()
    partitions = MemoryPartitions.of({0: [5], 1: [6, 7]}, fetches=[(1, 2)] * 8)
    merge = merge_of(partitions, clock)
    for _ in range(4):
        assert merge.poll(maximum=9, timeout_seconds=0) == []
        clock.advance(100 * WAIT_SECONDS)
    assert {0} in partitions.asked
    assert places(drained(partitions, [], merge=merge, clock=clock)) == [(0, 0), (1, 0), (1, 1)]


def test_after_a_pause_of_the_reader_a_partition_that_was_passed_over_is_asked_anew() -> None:
    clock = FakeClock()
    partitions = MemoryPartitions.of({0: [], 1: [1]})
    merge = merge_of(partitions, clock)
    merge.poll(maximum=9, timeout_seconds=0)
    clock.advance(WAIT_SECONDS)
    assert places(merge.poll(maximum=9, timeout_seconds=0)) == [(1, 0)]
    clock.advance(10 * WAIT_SECONDS)
    partitions.messages[0].append(Message(0, 0, 2))
    partitions.messages[1].append(Message(1, 1, 3))
    partitions.fetches = [(1, 1)]
    assert merge.poll(maximum=9, timeout_seconds=0) == []
    assert places(merge.poll(maximum=9, timeout_seconds=0)) == [(0, 0)]


@pytest.mark.parametrize("size", [10, ENOUGH_BYTES // 100], ids=["many", "large"])
def test_a_partition_that_runs_ahead_is_held_and_memory_is_bounded(size: int) -> None:
    value = bytes(size)
    partitions = MemoryPartitions(
        {
            0: [Message(0, offset, offset, value) for offset in range(3_000)],
            # Its sender's clock is far ahead.
            1: [Message(1, offset, 10**6 + offset, value) for offset in range(3_000)],
        },
        fetches=[(number % 2, 200) for number in range(1, 100)],
    )
    clock = FakeClock()
    merge = merge_of(partitions, clock)
    most = min(ENOUGH_RECORDS, ENOUGH_BYTES // size) + 200
    found = 0
    while found < 6_000:
        polled = merge.poll(maximum=100, timeout_seconds=0)
        found += len(polled)
        if not polled:
            clock.advance(WAIT_SECONDS)
        if found < 3_000:
            read, given = partitions.positions, merge.positions
            assert all(read[number] - given[number] <= most for number in (0, 1))
    assert {1} in partitions.held_at


def test_of_a_single_partition_nothing_is_kept_back() -> None:
    partitions = MemoryPartitions.of({4: list(range(50))})
    merge = merge_of(partitions)
    for number in range(5):
        assert len(merge.poll(maximum=10, timeout_seconds=0)) == 10
        assert partitions.positions == merge.positions == {4: 10 * (number + 1)}
    assert merge.poll(maximum=10, timeout_seconds=0) == ()


def test_a_seek_forgets_what_was_read_ahead() -> None:
    partitions = MemoryPartitions.of({0: [1, 4], 1: [2, 3]})
    merge = merge_of(partitions)
    assert places(merge.poll(maximum=2, timeout_seconds=0)) == [(0, 0), (1, 0)]
    merge.seek({0: 0, 1: 1})
    assert merge.positions == {0: 0, 1: 1}
    assert places(merge.poll(maximum=2, timeout_seconds=0)) == [(0, 0), (1, 1)]
