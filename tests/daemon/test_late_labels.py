"""A stream whose labels come later: judged by what was said when the record came."""

from typing import Any

import pytest
from sqlalchemy import select

from adaptd.errors import StoreUnavailable
from adaptd.registry import alarms, proposals
from adaptd.store import join_rows
from adaptd.store.tables import checkpoints, segments
from tests.daemon.conftest import STREAM, LoopMaker, MemorySource, Running
from tests.daemon.readings import blocks, released

DELAY = 100
LATE = {"delay_records": DELAY, "wait_seconds": 10_000}


def labelled(running: Running) -> int:
    """Records that have met their labels, as of the last checkpoint."""
    with running.context.database.read() as connection:
        return int(connection.scalar(select(checkpoints.c.next_record)) or 0)


def test_a_drift_is_answered_though_labels_are_late(loop: LoopMaker) -> None:
    running = loop(labels=LATE)
    running.until(lambda: len(released(running)) == 2)
    second, first = released(running)
    with running.context.database.read() as connection:
        (alarm,) = alarms.listing(connection, STREAM)
        (proposal,) = proposals.listing(connection, STREAM)
    # Records are numbered as they meet their labels, here in their own order.
    assert alarm.record >= 700
    _, last = proposal.evidence["training_records"]
    # The members knew none of the labels that came later, and spoke of each record when it came.
    assert proposal.evidence["first_record"] >= last + DELAY
    assert second.parent == first.digest
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    assert blocks(running)[-1].release_digest == second.digest
    assert blocks(running)[-1].hits == blocks(running)[-1].records


def test_what_an_earlier_release_said_is_not_held_against_the_next(loop: LoopMaker) -> None:
    running = loop(labels=LATE)
    running.until(lambda: len(released(running)) == 2)
    second = released(running)[0]
    published_at = running.source.next
    running.until(lambda: running.source.next > published_at + 1_000)
    of_second = [block for block in blocks(running) if block.release_digest == second.digest]
    # All of the second's own blocks are right, the first of them too: in it are no answers of the
    # first release, which by then is mostly wrong.
    assert of_second[0].first_record >= published_at - 2 * 48
    assert all(block.hits == block.records for block in of_second)


@pytest.mark.parametrize("memory_records", [10, 10_000])
def test_a_kill_at_any_time_loses_no_record_and_doubles_none(
    loop: LoopMaker, memory_records: int
) -> None:
    config = {**LATE, "memory_records": memory_records}
    source = MemorySource(drift_at=10**6, ends_at=3_000)
    running = loop(source, labels=config, window_records=4_000)
    for _ in range(100):
        for _ in range(7):
            running.step()
        running = running.again()
        if labelled(running) == 3_000:
            break
    assert labelled(running) == 3_000
    window = running.loop._memory.window
    assert window.between(0, 3_000).ids.tolist() == [str(number) for number in range(3_000)]
    with running.context.database.read() as connection:
        assert connection.execute(select(segments)).all()
        assert join_rows.counts(connection, STREAM)["waiting"] == 0
    (release,) = released(running)
    scored = blocks(running)
    assert {block.release_digest for block in scored} == {release.digest}
    starts = [block.first_record for block in scored]
    assert starts == sorted(set(starts))


def test_a_store_that_cannot_be_read_for_a_moment_costs_no_record_and_no_label(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = MemorySource(drift_at=10**6, ends_at=3_000)
    running = loop(source, labels={**LATE, "memory_records": 10}, window_records=4_000)
    fetch, calls = join_rows.fetch, iter(range(10**6))

    def failing(*arguments: Any) -> list[join_rows.JoinRow]:
        if next(calls) % 7 == 3:
            raise StoreUnavailable("the disk is away")
        return fetch(*arguments)

    monkeypatch.setattr(join_rows, "fetch", failing)
    for _ in range(2_000):
        running.step()
        running.clock.advance(1)
    assert labelled(running) == 3_000
    ids = running.loop._memory.window.between(0, 3_000).ids.tolist()
    assert sorted(ids, key=int) == [str(number) for number in range(3_000)]
    assert next(calls) > 20


def test_the_stream_ends_when_the_last_label_has_come(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6, ends_at=1_000), labels=LATE)
    running.until(lambda: labelled(running) == 1_000)
    metrics = running.context.metrics.registry
    assert metrics.get_sample_value("adaptd_records_total", {"stream": STREAM}) == 1_000
    joined = {"stream": STREAM, "fate": "joined"}
    assert metrics.get_sample_value("adaptd_labels_total", joined) == 1_000
    count = metrics.get_sample_value("adaptd_label_delay_seconds_count", {"stream": STREAM})
    assert count == 1_000
    total = metrics.get_sample_value("adaptd_label_delay_seconds_sum", {"stream": STREAM})
    assert total is not None
    # Of a record a second, so many records late, and a poll of 48 at most.
    assert DELAY - 48 <= total / 1_000 <= DELAY + 48
