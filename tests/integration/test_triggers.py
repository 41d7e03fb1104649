"""What begins an episode without a drift: the schedule, and a person."""

import signal
import subprocess
import sys
from typing import Any

import pytest

from adaptd.registry import concentrations, decisions, proposals, requests, schedules, usage
from adaptd.registry.episodes import Episode
from adaptd.store.database import Database
from tests.integration.conftest import STREAM, DaemonMaker, RunningDaemon

pytestmark = pytest.mark.slow

# A stream that never drifts, and just as many steps as show that there was a search.
STEADY: dict[str, Any] = {
    "initial": {"records": 800, "steps": 60},
    "episode": {"records": 800, "steps": 60},
    "source": {"kind": "scenario", "drift_at": 10**9, "pace": {"records_per_second": 400}},
    "trial": {"minimum_records": 100, "maximum_records": 200},
}


def closed(running: RunningDaemon, count: int) -> list[Episode]:
    """The first episodes, once so many are over, oldest first."""
    running.wait_for(
        lambda: len(running.events("episode.closed")) >= count, name=f"{count} closed episodes"
    )
    return running.episodes()[::-1][:count]


def test_a_schedule_without_a_drift_really_reopens_the_supernet(daemon: DaemonMaker) -> None:
    running = daemon(**STEADY, schedule={"every_seconds": 1}).start()
    first, second = closed(running, 2)
    assert running.end(signal.SIGTERM) == 0
    for episode in (first, second):
        assert episode.trigger["kind"] == "schedule"
        # The ladder is for drifts: here the search runs whatever new weights alone are worth.
        assert episode.plan["rungs"] == ["weights", "reopen"]
        assert "reopened" in episode.result["members"]
        assert episode.result["phase_seconds"]["search"] > 0
        assert episode.result["cpu_seconds"] > 0
        assert episode.outcome in ("no-better", "inconclusive")
        assert episode.reason
    # Nobody has moved any before the first; the second begins where the first has left them.
    assert first.plan["concentrations"] == {}
    moved = first.result["concentrations"]
    assert second.plan["concentrations"] == moved
    assert second.result["concentrations"] != moved
    for group in moved.values():
        assert len(set(group.values())) > 1
    (release,) = running.releases()
    assert not running.events("drift.alarm")
    database = Database.attach(running.state.database)
    with database.read() as connection:
        kept = concentrations.load(connection, release.digest)
        row = schedules.get(connection, STREAM)
        made = proposals.listing(connection, STREAM), decisions.listing(connection, STREAM)
        used = usage.of_day(
            connection, stream=STREAM, day=usage.day_of(second.closed_at or second.opened_at)
        )
    database.close()
    assert made == ([], [])
    latest = [one.result for one in running.episodes() if one.result.get("concentrations")]
    assert kept == latest[0]["concentrations"]
    assert row is not None
    assert row.last_run is not None
    assert first.closed_at is not None
    assert row.last_run >= first.closed_at
    assert row.next_due is not None
    assert row.next_due > row.last_run
    assert used > 0


def test_a_person_asks_and_the_running_daemon_answers(daemon: DaemonMaker) -> None:
    running = daemon(**STEADY, triggers={"cool_down_seconds": 10**6}).start()
    running.wait_for_event("release.published", number=1)
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "adaptd", "adapt", STREAM, "--reason", "new bearing"),
            *("--state", str(running.state.path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "is asked for by user:" in done.stdout
    running.wait_for_event("episode.opened", trigger="manual")
    (episode,) = closed(running, 1)
    assert running.end(signal.SIGTERM) == 0
    assert episode.trigger["detail"] == "new bearing"
    assert episode.trigger["actor"].startswith("user:")
    assert "reopened" in episode.result["members"]
    assert len(running.releases()) == 1
    database = Database.attach(running.state.database)
    with database.read() as connection:
        assert requests.waiting(connection, STREAM) == []
    database.close()
