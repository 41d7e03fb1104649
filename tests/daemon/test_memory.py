from dataclasses import replace
from datetime import timedelta
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
from adaptd.registry import episodes, trials
from adaptd.store import epochs, pins, segments
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


def test_files_that_a_trial_has_counted_stay_until_its_episode_is_old(
    context: StreamContext,
) -> None:
    for number in range(2):
        with context.database.write() as connection:
            episodes.open_(
                connection, id=f"E{number}", stream="s", trigger={}, now=context.clock.now()
            )
            episodes.close(
                connection,
                f"E{number}",
                outcome="no-better",
                reason=None,
                now=context.clock.now(),
            )
        memory = opened(context)
        at = memory.window.next_record
        with context.database.write() as connection:
            trials.begin(
                connection,
                episode_id=f"E{number}",
                stream="s",
                kind="weights",
                terms={},
                members={},
                made_by={},
                first_record=at + 10,
                now=context.clock.now() + timedelta(minutes=number),
            )
            trials.end(
                connection,
                f"E{number}",
                end_record=at + 40,
                counted={},
                evidence={},
                now=context.clock.now(),
            )
        for first in range(at, at + 300, 30):
            memory.append(batch(first, 30))
            memory.save({})
        opened(context)
        assert len(list(context.state.segments("s").iterdir())) == 4 + 2 * (number + 1)
    lasting = replace(
        context,
        config=context.config.model_copy(
            update={"episode": context.config.episode.model_copy(update={"replayable": 1})}
        ),
    )
    memory = opened(lasting)
    for first in range(600, 660, 30):
        memory.append(batch(first, 30))
        memory.save({})
    with context.database.read() as connection:
        assert pins.of_episode(connection, "E0") == []
        kept = {context.absolute(row.path) for row in pins.of_episode(connection, "E1")}
        window = {context.absolute(row.path) for row in segments.listing(connection, "s")}
    assert len(kept) == 2
    opened(lasting)
    assert set(context.state.segments("s").iterdir()) == kept | window


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
