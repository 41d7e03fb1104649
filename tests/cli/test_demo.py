"""`adaptd demo` on state that earlier runs have left; the run itself is an integration test."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adaptd.cli.main import app
from adaptd.clock import FakeClock
from adaptd.errors import StateDirectoryError
from adaptd.registry import episodes
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory


def _demo(runner: CliRunner, state: StateDirectory, *arguments: str) -> Result:
    return runner.invoke(app, ["demo", "--seed", "3", "--state", str(state.path), *arguments])


def test_a_demo_that_has_ended_reports_again_and_runs_nothing(
    runner: CliRunner, state: StateDirectory, finished: Database, tmp_path: Path
) -> None:
    written, picture = tmp_path / "out.json", tmp_path / "demo.png"
    done = _demo(runner, state, "--json", str(written), "--picture", str(picture))
    assert done.exit_code == 0, done.output
    assert "+33.0" in done.output
    report = json.loads(written.read_bytes())
    assert (report["scenario"], report["seed"]) == ("lag-shift", 3)
    assert report["accuracy_released"] == 0.68
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not state.lock.exists()


def test_nothing_released_exits_1_with_the_reason_and_writes_no_result(
    runner: CliRunner, state: StateDirectory, alarmed: Database, clock: FakeClock
) -> None:
    with alarmed.write() as connection:
        [episode] = episodes.history(connection, "lag-shift")
        episodes.close(
            connection, episode.id, outcome="no-better", reason="it was not", now=clock.now()
        )
    written = state.path.parent / "out.json"
    done = _demo(runner, state, "--json", str(written))
    assert done.exit_code == 1
    assert "adaptd: nothing was released: no-better: it was not" in done.stderr
    assert not written.exists()


def test_state_of_another_seed_is_refused(
    runner: CliRunner, state: StateDirectory, finished: Database
) -> None:
    done = runner.invoke(app, ["demo", "--seed", "4", "--state", str(state.path)])
    assert isinstance(done.exception, StateDirectoryError)


@pytest.mark.parametrize("option", ["--json", "--picture"])
def test_a_target_that_cannot_be_written_is_refused_before_anything_runs(
    runner: CliRunner, tmp_path: Path, option: str
) -> None:
    state = tmp_path / "state"
    target = tmp_path / "absent" / "file"
    done = runner.invoke(app, ["demo", "--state", str(state), option, str(target)])
    assert done.exit_code == 2
    assert not state.exists()
