import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adaptd.clock import FakeClock
from adaptd.daemon.context import StreamContext
from adaptd.daemon.evidence_feed import EvidenceFeed
from adaptd.observer.answers import Answers
from adaptd.observer.outages import Outages
from adaptd.registry import scores
from adaptd.registry.scores import BlockScore
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from tests.daemon.test_memory import context_of

SIZE = 8
RECORDS = 400
POSITIONS = np.stack([np.zeros(RECORDS, np.int64), np.arange(RECORDS)], axis=1)
BROKEN = (10, 11, 12, 30)
SPOILED = {*range(72, 112), *range(232, 256)}


@pytest.fixture
def context(tmp_path: Path, database: Database, clock: FakeClock) -> StreamContext:
    return context_of(StateDirectory.open(tmp_path / "state"), database, clock)


def fed(context: StreamContext, outages: Outages, count: Callable[[Answers], None]) -> EvidenceFeed:
    return EvidenceFeed(context, outages=outages, count=[count])


def put(feed: EvidenceFeed, outages: Outages, first: int, end: int) -> None:
    filled = range(first // SIZE, end // SIZE)
    blocks = [(at * SIZE, at * SIZE + SIZE) for at in filled if at in BROKEN]
    outages.see(first, POSITIONS[first:end], blocks)
    right = np.arange(first, end) % 3 == 0
    feed.put(Answers(first, POSITIONS[first:end], {"champion": right}))


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    cuts=st.lists(st.integers(0, RECORDS), max_size=12).map(sorted),
    kills=st.lists(st.integers(0, 12), max_size=3),
)
def test_what_a_broken_sensor_gave_is_never_counted_and_all_else_once(
    context: StreamContext, cuts: list[int], kills: list[int]
) -> None:
    counted: list[Answers] = []
    outages = Outages(SIZE)
    feed = fed(context, outages, counted.append)
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, RECORDS], strict=True)):
        put(feed, outages, start, stop)
        numbers = [part.first_record + at for part in counted for at in range(len(part))]
        # So many are held that it is known what becomes of each.
        assert numbers == [one for one in range(max(0, stop - 2 * SIZE)) if one not in SPOILED]
        if number in kills:
            kept = json.loads(json.dumps([feed.state(), outages.state()], allow_nan=False))
            outages = Outages(SIZE)
            outages.restore(kept[1])
            feed = fed(context, outages, counted.append)
            feed.restore(kept[0])
    feed.flush()
    numbers = [part.first_record + at for part in counted for at in range(len(part))]
    assert numbers == [one for one in range(RECORDS) if one not in SPOILED]
    right = np.concatenate([part.hits["champion"] for part in counted])
    assert np.array_equal(right, np.array(numbers) % 3 == 0)


def test_where_labels_come_in_another_order_nothing_is_counted_that_is_not_known(
    context: StreamContext,
) -> None:
    counted: list[Answers] = []
    outages = Outages(SIZE)
    feed = fed(context, outages, counted.append)
    outages.see(0, POSITIONS[:90], [])
    # Labels of the latest records first, then of many from long before.
    labelled = np.concatenate([POSITIONS[82:90], POSITIONS[:60]])
    for first in range(0, len(labelled), 4):
        feed.put(Answers(first, labelled[first : first + 4], {}))
    assert counted == []
    blocks = [(at * SIZE, at * SIZE + SIZE) for at in BROKEN if at < 20]
    outages.see(90, POSITIONS[90:120], blocks)
    feed.put(Answers(len(labelled), POSITIONS[60:64], {}))
    numbers = [int(offset) for part in counted for offset in part.positions[:, 1]]
    # All but those of the outage, and the latest labelled ones.
    assert numbers == list(range(64 - 2 * SIZE))


def test_blocks_of_a_broken_sensor_are_told_from_others(
    context: StreamContext, clock: FakeClock
) -> None:
    blocks = [
        BlockScore("s", at, at * SIZE, SIZE, 0, 0.0, "d" * 64, clock.now())
        for at in range(RECORDS // SIZE)
    ]
    context.ledger.add(lambda connection: scores.add(connection, blocks))
    outages = Outages(SIZE)
    feed = fed(context, outages, list[Answers]().append)
    put(feed, outages, 0, RECORDS)
    context.ledger.commit(context.database)
    with context.database.read() as connection:
        found = scores.series(connection, "s")
    assert [row.block for row in found if row.is_broken] == [9, 10, 11, 12, 13, 29, 30, 31]
    value = context.metrics.registry.get_sample_value(
        "adaptd_broken_records_total", {"stream": "s"}
    )
    assert value == len(SPOILED)


def test_where_nobody_looks_for_broken_sensors_nothing_is_held(context: StreamContext) -> None:
    counted: list[Answers] = []
    feed = EvidenceFeed(context, outages=Outages(SIZE, is_watched=False), count=[counted.append])
    feed.put(Answers(0, POSITIONS[:5], {}))
    assert [len(part) for part in counted] == [5]
    assert feed.state()["held"] == []
