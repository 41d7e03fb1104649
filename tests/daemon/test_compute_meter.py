"""Compute is counted while it is used, by the day, through restarts."""

from dataclasses import replace

import pytest

from adaptd.daemon.compute_meter import ComputeMeter
from adaptd.daemon.compute_origin import ComputeOrigin
from adaptd.daemon.ledger import Ledger
from adaptd.registry import usage
from tests.daemon.conftest import STREAM, LoopMaker, Running

DAY_SECONDS = 86_400


def stored(running: Running) -> float:
    with running.context.database.read() as connection:
        today = usage.day_of(running.clock.now())
        return usage.of_day(connection, stream=STREAM, day=today)


def commit(running: Running) -> None:
    running.context.ledger.commit(running.context.database)


def test_what_is_new_is_counted_once_with_the_next_commit(loop: LoopMaker) -> None:
    running = loop()
    meter = ComputeMeter(running.context)
    running.executor.spent_seconds = 3.5
    assert meter.used_today() == 3.5
    assert stored(running) == 0
    for _ in range(2):
        meter.count()
        commit(running)
    assert stored(running) == meter.used_today() == 3.5
    running.executor.spent_seconds = 5.0
    meter.count()
    commit(running)
    assert stored(running) == meter.used_today() == 5.0
    counted = running.context.metrics.registry.get_sample_value(
        "adaptd_compute_seconds_total", {"stream": STREAM}
    )
    assert counted == 5.0


def test_another_process_goes_on_from_what_was_used(loop: LoopMaker) -> None:
    running = loop()
    running.executor.spent_seconds = 3.5
    running.loop.checkpoint()
    again = running.again()
    meter = ComputeMeter(again.context)
    again.executor.spent_seconds = 1.0
    assert meter.used_today() == 4.5


def test_a_new_day_begins_with_nothing_used(loop: LoopMaker) -> None:
    running = loop()
    meter = ComputeMeter(running.context)
    running.executor.spent_seconds = 3.5
    meter.count()
    commit(running)
    running.clock.advance(DAY_SECONDS)
    assert meter.used_today() == 0
    running.executor.spent_seconds = 4.0
    assert meter.used_today() == pytest.approx(0.5)
    meter.count()
    commit(running)
    assert stored(running) == pytest.approx(0.5)


def test_a_loop_counts_first_training_episodes_and_what_was_cut_off(loop: LoopMaker) -> None:
    running = loop()
    running.executor.costs_seconds = 2.0
    running.until(lambda: stored(running) >= 2.0)
    running.until(lambda: len(running.executor.jobs) == 3)
    running.executor.spent_seconds += 0.25
    running.loop.close()
    assert stored(running) == 4.25


@pytest.mark.parametrize("is_committed", [False, True])
def test_what_an_abandoned_loop_had_not_committed_is_counted_by_the_next(
    loop: LoopMaker, is_committed: bool
) -> None:
    running = loop()
    running.executor.spent_seconds = 10.0
    context = running.context
    with context.database.read() as connection:
        origin = ComputeOrigin.now(connection, STREAM, running.executor, now=running.clock.now())
    abandoned = ComputeMeter(replace(context, compute_origin=origin))
    running.executor.spent_seconds = 13.0
    abandoned.count()
    commit(running)
    running.clock.advance(DAY_SECONDS)
    running.executor.spent_seconds = 13.5
    abandoned.count()
    if is_committed:
        # And nobody knows it: the store went away.
        commit(running)
    ledger = Ledger(STREAM, context.ledger.epoch)
    meter = ComputeMeter(replace(context, compute_origin=origin, ledger=ledger))
    running.executor.spent_seconds = 14.0
    assert meter.used_today() == pytest.approx(1.0)
    meter.count()
    ledger.commit(context.database)
    assert stored(running) == meter.used_today() == pytest.approx(1.0)
