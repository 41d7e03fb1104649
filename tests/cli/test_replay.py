"""`adaptd replay` as an operator calls it, on an episode that needs no training."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from adaptd.cli.main import app
from adaptd.clock import FakeClock
from adaptd.registry import episodes, releases
from adaptd.registry.episodes import Episode
from adaptd.registry.trials import RECALL, of_episode
from adaptd.store.tables import trials
from tests.daemon.conftest import STREAM, Running, loops


@pytest.fixture
def recalled(tmp_path: Path, clock: FakeClock) -> Iterator[Running]:
    """A daemon's loop, still open, that has just brought its first release back."""
    with loops(tmp_path / "state", clock) as make:
        running = make()
        for number, drift_at in ((2, running.source.drift_at), (3, 10**6)):
            at = running.source.next
            running.until(lambda at=at: running.source.next > at + 500)  # type: ignore[misc]
            running.source.drift_at = drift_at
            running.until(lambda number=number: released(running) == number)  # type: ignore[misc]
        yield running


def released(running: Running) -> int:
    with running.context.database.read() as connection:
        return len(releases.history(connection, STREAM))


def latest(running: Running) -> Episode:
    with running.context.database.read() as connection:
        return episodes.history(connection, STREAM)[0]


def options(running: Running) -> list[str]:
    return ["--state", str(running.context.state.path)]


def test_the_same_outcome_is_shown_and_exits_with_0(runner: CliRunner, recalled: Running) -> None:
    episode = latest(recalled)
    before = recalled.context.state.database.read_bytes()
    done = runner.invoke(app, ["replay", episode.id[:14].lower(), *options(recalled)])
    assert done.exit_code == 0
    assert f"s, episode {episode.id}, trial 1: recall" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["verdict", "better", "better", "yes"] in rows
    assert ["winner", "release-1", "release-1", "yes"] in rows
    assert done.stdout.splitlines()[-1] == "Same architecture, same verdict."
    assert recalled.context.state.database.read_bytes() == before


def test_a_document_for_programs_has_every_line(runner: CliRunner, recalled: Running) -> None:
    episode = latest(recalled)
    done = runner.invoke(app, ["replay", episode.id, "--json", *options(recalled)])
    document = json.loads(done.stdout)
    assert (document["episode_id"], document["outcome"]) == (episode.id, "released")
    assert document["is_same"] is True
    assert document["blame"] is None
    (verdict,) = [line for line in document["lines"] if line["what"] == "verdict"]
    assert verdict == {
        "trial": 1,
        "kind": RECALL,
        "what": "verdict",
        "of": None,
        "recorded": "better",
        "replayed": "better",
        "is_same": True,
    }


def test_another_verdict_exits_with_1_and_names_the_version_to_blame(
    runner: CliRunner, recalled: Running
) -> None:
    episode = latest(recalled)
    with recalled.context.database.write() as connection:
        (row,) = of_episode(connection, episode.id)
        assert row.evidence is not None
        made_by = {**row.made_by, "trial": {**row.made_by["trial"], "onnxruntime": "0.9.0"}}
        evidence = {**row.evidence, "verdict": "inconclusive", "winner": None}
        connection.execute(
            update(trials)
            .where(trials.c.episode_id == episode.id)
            .values(made_by=made_by, evidence=evidence)
        )
    done = runner.invoke(app, ["replay", episode.id, *options(recalled)])
    assert done.exit_code == 1
    assert ["verdict", "inconclusive", "better", "NO"] in [
        line.split() for line in done.stdout.splitlines()
    ]
    last = done.stdout.splitlines()[-1]
    assert last.startswith(
        "Same architecture, NOT the same verdict; to blame: onnxruntime 0.9.0 then, "
    )


def test_what_cannot_be_run_again_exits_with_2_and_one_line(
    runner: CliRunner, recalled: Running
) -> None:
    episode = latest(recalled)
    unknown = runner.invoke(app, ["replay", "01NONE", *options(recalled)])
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert f"no episode's id begins with '01NONE'; the latest: {episode.id}" in unknown.stderr
    (model,) = recalled.context.state.path.glob(f"releases/*/{episode.plan['champion']}/model.onnx")
    model.write_bytes(b"torn")
    torn = runner.invoke(app, ["replay", episode.id, *options(recalled)])
    assert (torn.exit_code, torn.stdout) == (2, "")
    assert torn.stderr.startswith(f"adaptd: {model}: sha256 is ")
    assert torn.stderr.count("\n") == 1
    nowhere = runner.invoke(app, ["replay", episode.id, "--state", "nowhere"])
    assert nowhere.exit_code == 2
    assert "no store at nowhere" in nowhere.stderr
