from pathlib import Path

import numpy as np
import pytest

from adaptd.adaptation.execution.local import LocalExecutor
from adaptd.adaptation.trigger import TriggerQueue
from adaptd.clock import FakeClock
from adaptd.config import ScenarioSourceConfig, StreamConfig
from adaptd.daemon.context import StreamContext
from adaptd.daemon.ledger import Ledger
from adaptd.daemon.memory import Memory
from adaptd.errors import ArtifactError
from adaptd.store import epochs
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.stream.batch import Batch, id_column
from adaptd.telemetry import Metrics

SHAPE = (1, 4)


def context_of(state: StateDirectory, database: Database, clock: FakeClock) -> StreamContext:
    """Of a stream `s` with a window of 100 records, owned by this process."""
    config = StreamConfig.model_validate(
        {
            "name": "s",
            "source": ScenarioSourceConfig(kind="scenario"),
            "window_records": 100,
            "initial": {"records": 100},
            "episode": {"records": 100, "minimum_records": 100},
        }
    )
    with database.write() as connection:
        epoch = epochs.acquire(connection, stream="s", owner="a", now=clock.now())
    return StreamContext(
        config=config,
        seed=0,
        state=state,
        database=database,
        ledger=Ledger("s", epoch),
        queue=TriggerQueue(),
        executor=LocalExecutor(clock=clock),
        clock=clock,
        metrics=Metrics(),
    )


@pytest.fixture
def context(tmp_path: Path, database: Database, clock: FakeClock) -> StreamContext:
    return context_of(StateDirectory.open(tmp_path / "state"), database, clock)


def batch(first: int, count: int) -> Batch:
    offsets = np.arange(first, first + count)
    return Batch(
        x=np.repeat(offsets, 4).reshape(count, *SHAPE).astype(np.float32),
        target=offsets % 3,
        ids=id_column(offsets.tolist()),
        timestamps=offsets.astype(np.float64),
        positions=np.stack([np.zeros(count, np.int64), offsets], axis=1),
    )


def opened(context: StreamContext) -> Memory:
    with context.database.read() as connection:
        return Memory.open(context, connection, shape=SHAPE)[0]


def test_what_was_saved_is_there_again(context: StreamContext) -> None:
    memory = opened(context)
    for first in (0, 30, 60):
        memory.append(batch(first, 30))
        memory.positions[0] = first + 30
        memory.save({"step": first})
    again = opened(context)
    assert again.window.next_record == 90
    assert again.positions == {0: 90}
    assert np.array_equal(again.window.between(0, 90).x, batch(0, 90).x)


def test_what_was_not_saved_is_read_from_the_source_again(context: StreamContext) -> None:
    memory = opened(context)
    memory.append(batch(0, 30))
    memory.positions[0] = 30
    memory.save({})
    memory.append(batch(30, 30))
    memory.positions[0] = 60
    again = opened(context)
    assert again.window.next_record == 30
    assert again.positions == {0: 30}


def test_files_of_records_that_left_the_window_are_deleted(context: StreamContext) -> None:
    memory = opened(context)
    for first in range(0, 300, 30):
        memory.append(batch(first, 30))
        memory.save({})
    files = list(context.state.segments("s").iterdir())
    # Four reach into the window, and one stays until the next checkpoint is whole.
    assert len(files) == 5
    again = opened(context)
    assert again.window.first_record == 200
    assert np.array_equal(again.window.between(200, 300).x, batch(200, 100).x)


def test_files_that_no_row_names_are_swept_at_start(context: StreamContext) -> None:
    memory = opened(context)
    memory.append(batch(0, 30))
    memory.save({})
    orphan = context.state.segments("s") / ("0" * 64 + ".arrow")
    orphan.write_bytes(b"half")
    opened(context)
    assert not orphan.exists()


def test_a_damaged_segment_is_refused_by_name(context: StreamContext) -> None:
    memory = opened(context)
    memory.append(batch(0, 30))
    memory.save({})
    (segment,) = context.state.segments("s").iterdir()
    segment.write_bytes(segment.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=segment.name):
        opened(context)
