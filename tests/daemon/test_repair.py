from collections.abc import Callable

import numpy as np
import pytest

from adaptd.daemon.context import StreamContext
from adaptd.daemon.memory import Memory
from adaptd.daemon.repair import repair
from adaptd.errors import StateDirectoryError
from adaptd.store import segments
from adaptd.store.directory import DaemonLock
from tests.daemon.conftest import LoopMaker, MemorySource, records
from tests.daemon.test_memory import batch, context, opened

__all__ = ["context"]


@pytest.fixture
def damage(context: StreamContext) -> Callable[[int], None]:
    """Fills a window with four segments of ten records; damages one of them by its place."""
    memory = opened(context)
    for first in range(0, 40, 10):
        memory.append(batch(first, 10))
        memory.positions[0] = first + 10
        memory.save({})

    def cut(place: int) -> None:
        with context.database.read() as connection:
            row = segments.listing(connection, "s")[place]
        path = context.absolute(row.path)
        path.write_bytes(path.read_bytes()[:-1])

    return cut


@pytest.mark.parametrize(("places", "first"), [((0,), 10), ((0, 2), 30), ((3,), 40)])
def test_the_window_begins_behind_what_is_damaged(
    context: StreamContext,
    damage: Callable[[int], None],
    places: tuple[int, ...],
    first: int,
) -> None:
    for place in places:
        damage(place)
    (dropped,) = repair(context.state, context.database)
    assert (dropped.stream, dropped.records, len(dropped.damaged)) == ("s", first, len(places))
    memory = opened(context)
    assert (memory.window.first_record, memory.window.next_record) == (first, 40)
    assert np.array_equal(memory.window.between(first, 40).x, batch(first, 40 - first).x)
    assert memory.positions == {0: 40}
    memory.append(batch(40, 10))
    memory.save({})
    assert opened(context).window.next_record == 50


def test_what_is_whole_stays(context: StreamContext, damage: Callable[[int], None]) -> None:
    assert repair(context.state, context.database) == []
    assert len(opened(context).window) == 40


def test_a_daemon_that_runs_is_left_alone(
    context: StreamContext, damage: Callable[[int], None]
) -> None:
    damage(1)
    with (
        DaemonLock(context.state.lock),
        pytest.raises(StateDirectoryError, match="is held by another"),
    ):
        repair(context.state, context.database)


def test_a_first_window_that_lost_records_is_filled_again(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6))
    running.until(lambda: running.source.next >= 96)
    running.loop.checkpoint()
    state = running.context.state
    for path in state.segments("s").iterdir():
        path.write_bytes(b"")
    (dropped,) = repair(state, running.context.database)
    assert dropped.records == 96
    again = running.again()
    again.until(lambda: bool(again.executor.jobs))
    assert again.source.next == 96 + 200
    with again.context.database.read() as connection:
        memory, _ = Memory.open(again.context, connection, shape=(2, 1))
    assert np.array_equal(memory.window.between(96, 296).x, records(96, 200).x)
