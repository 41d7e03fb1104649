"""`adaptd replay` of an episode that a real daemon has led, with real training, both times."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import update

from adaptd.registry.trials import of_episode
from adaptd.store.database import Database
from adaptd.store.tables import episodes, trials
from tests.integration.conftest import HANG_SECONDS, DaemonMaker

pytestmark = pytest.mark.slow


def replay(state: Path, episode: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "adaptd", "replay", episode, "--state", str(state), *options]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=3 * HANG_SECONDS
    )


# Training twice, the search too, on a machine that may be busy.
@pytest.mark.timeout(1_200)
def test_an_episode_is_run_again_to_the_bit_and_what_was_changed_is_told(
    daemon: DaemonMaker,
) -> None:
    running = daemon(
        episode={"records": 800, "steps": 40, "maximum_latency_milliseconds": 1_000},
        trial={"minimum_records": 150, "maximum_records": 400},
    ).start()
    running.wait_for_event("release.published")
    running.wait_for_event("episode.climbs")
    running.wait_for_event("episode.closed")
    (episode, *_) = running.episodes()[::-1]
    state = running.state.path

    # What was measured then is what the search is held against again.
    assert episode.result["edge_latency"]["reopened"]["most"] > 0

    # Beside the daemon, which goes on.
    done = replay(state, episode.id, "--json")
    assert running.process is not None
    assert running.process.poll() is None
    assert running.end(signal.SIGTERM) == 0
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [line for line in document["lines"] if not line["is_same"]] == []
    trained = {line["of"] for line in document["lines"] if line["what"] == "weights"}
    assert {"fine-tuned", "retrained", "random-neighbour", "reopened"} <= trained
    assert all(line["recorded"] for line in document["lines"] if line["what"] == "weights")
    assert [line["kind"] for line in document["lines"] if line["what"] == "verdict"] == [
        "weights",
        "reopen",
    ]

    # As if another torch, from another seed, had made it.
    database = Database.attach(running.state.database)
    with database.write() as connection:
        for row in of_episode(connection, episode.id):
            training = {**row.made_by["training"], "torch": "1.13.1"}
            connection.execute(
                update(trials)
                .where(trials.c.episode_id == episode.id, trials.c.number == row.number)
                .values(made_by={**row.made_by, "training": training})
            )
        connection.execute(
            update(episodes)
            .where(episodes.c.id == episode.id)
            .values(plan={**episode.plan, "seed": episode.plan["seed"] + 1})
        )
    database.close()
    other = replay(state, episode.id)
    assert "to blame: torch 1.13.1 then, 2." in other.stdout.splitlines()[-1]
    assert other.returncode == (0 if "Same architecture, same verdict" in other.stdout else 1)

    records = state / episode.plan["records"]
    data = bytearray(records.read_bytes())
    data[len(data) // 2] ^= 1
    records.write_bytes(data)
    torn = replay(state, episode.id)
    assert torn.returncode == 2
    assert torn.stderr.startswith(f"adaptd: {records}: expected sha256 ")
    assert torn.stderr.count("\n") == 1
