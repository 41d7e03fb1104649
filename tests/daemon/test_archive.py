"""What is swept of episodes that are over. That pins keep files: test_memory.py."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adaptd.clock import FakeClock
from adaptd.daemon import archive
from adaptd.daemon.context import StreamContext
from adaptd.registry import episodes, trials
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from tests.daemon.test_memory import context_of


@pytest.fixture
def context(tmp_path: Path, database: Database, clock: FakeClock) -> StreamContext:
    return context_of(StateDirectory.open(tmp_path / "state"), database, clock)


def leave_episode(context: StreamContext, id: str, *, has_trial: bool, minutes: int) -> None:
    """A closed episode with records and networks in its folder."""
    now = context.clock.now() + timedelta(minutes=minutes)
    with context.database.write() as connection:
        episodes.open_(connection, id=id, stream="s", trigger={}, now=now)
        episodes.close(connection, id, outcome="no-better", reason=None, now=now)
        if has_trial:
            trials.begin(
                connection,
                episode_id=id,
                stream="s",
                kind="weights",
                terms={},
                members={},
                made_by={},
                first_record=0,
                now=now,
            )
    leave_files(context, id)


def leave_files(context: StreamContext, name: str) -> None:
    directory = context.state.episodes("s") / name
    (directory / "members" / "retrained").mkdir(parents=True)
    (directory / "records.arrow").write_bytes(b"records")


def test_networks_go_and_records_of_the_latest_stay(context: StreamContext) -> None:
    episode = context.config.episode.model_copy(update={"replayable": 2})
    config = context.config.model_copy(update={"episode": episode})
    context = replace(context, config=config)
    leave_files(context, "initial")
    for number in range(3):
        leave_episode(context, f"E{number}", has_trial=True, minutes=number)
    leave_episode(context, "E3", has_trial=False, minutes=3)
    leave_files(context, "E4")
    archive.sweep(context, opening="E4")
    root = context.state.episodes("s")
    assert {path.name for path in root.iterdir()} == {"initial", "E1", "E2", "E4"}
    assert [path.parent.name for path in root.glob("*/members")] == ["E4"]
    assert (root / "E1" / "records.arrow").exists()


def test_a_stream_without_episodes_has_nothing_to_sweep(context: StreamContext) -> None:
    archive.sweep(context, opening="E0")
    assert not context.state.episodes("s").exists()
