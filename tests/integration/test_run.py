"""`adaptd run` from an empty state directory to an approved release, and through kills."""

import json
import signal

import pytest

from adaptd.registry import manifest
from tests.events import validate_event
from tests.integration.conftest import STREAM, DaemonMaker

pytestmark = pytest.mark.slow


def test_a_drift_ends_in_a_release_that_takes_over_without_a_restart(daemon: DaemonMaker) -> None:
    running = daemon().start()
    running.wait_for_event("release.published", number=1)
    alarm = running.wait_for_event("drift.alarm")
    assert alarm["record"] > 1_600
    assert running.fetch("/readyz") == "ready\n"
    running.wait_for_event("release.published", number=2)
    metrics = running.fetch("/metrics")
    assert f'adaptd_episodes_total{{outcome="released",stream="{STREAM}"}} 1.0' in metrics
    assert f'adaptd_drift_active{{stream="{STREAM}"}} 0.0' in metrics
    assert 'number="2"' in metrics
    running.wait_for(running.state.events.exists, name="release event")
    running.wait_for(
        lambda: running.state.events.read_text().count('"kind":"release"') == 2,
        name="two release events",
    )
    assert running.end(signal.SIGTERM) == 0
    second, first = running.releases()
    assert second.parent == first.digest
    assert second.episode_id == running.episodes()[0].id
    directory = running.state.path / second.path
    assert manifest.verify(directory)["lineage"]["episode"] == second.episode_id
    events = [json.loads(line) for line in running.state.events.read_text().splitlines()]
    told = [(event["kind"], event["data"].get("state")) for event in events]
    # What is told of the watch over the release may come before the end, or not.
    assert [one for one in told if one[0] != "watch"] == [
        ("release", None),
        ("drift", None),
        ("proposal", "awaiting"),
        ("proposal", "approved"),
        ("proposal", "published"),
        ("release", None),
    ]
    assert [event["data"].get("number") for event in events if event["kind"] == "release"] == [1, 2]
    assert {event["stream"] for event in events} == {STREAM}
    for event in events:
        validate_event(event)


@pytest.mark.parametrize("phase", ["collecting", "searching", "trial"])
def test_a_kill_in_any_phase_of_an_episode_costs_nothing(daemon: DaemonMaker, phase: str) -> None:
    running = daemon().start()
    if phase == "collecting":
        running.wait_for_event("episode.opened")
    else:
        running.wait_for_event("episode.advanced", state=phase)
    running.end(signal.SIGKILL)
    running.start()
    running.wait_for_event("release.published", number=2)
    assert running.end(signal.SIGTERM) == 0
    assert len(running.releases()) == 2
    assert [episode.outcome for episode in running.episodes()] == ["released"]


def test_a_kill_during_the_first_training_begins_it_again(daemon: DaemonMaker) -> None:
    running = daemon().start()
    running.wait_for_event("initial.training")
    running.end(signal.SIGKILL)
    running.start()
    running.wait_for_event("release.published", number=1)
    assert running.end(signal.SIGTERM) == 0
    assert len(running.releases()) == 1


def test_a_restart_goes_on_with_the_released_champion(daemon: DaemonMaker) -> None:
    running = daemon().start()
    running.wait_for_event("release.published", number=1)
    assert running.end(signal.SIGINT) == 0
    before = running.releases()
    running.start()
    resumed = running.wait_for_event("stream.resumed")
    assert resumed["release"] == 1
    assert resumed["next_record"] >= 800
    assert running.end(signal.SIGTERM) == 0
    assert running.releases() == before
    assert running.log.count("initial.training") == 1


def test_a_stop_in_the_middle_of_a_search_is_clean(daemon: DaemonMaker) -> None:
    running = daemon(episode={"records": 800, "steps": 1_000_000}).start()
    running.wait_for_event("episode.advanced", state="searching")
    assert running.end(signal.SIGTERM) == 0
    assert running.episodes()[0].state == "searching"


def test_a_second_daemon_on_the_same_state_is_refused(daemon: DaemonMaker) -> None:
    running = daemon().start()
    running.wait_for_event("daemon.started")
    second = daemon().start()
    assert second.process is not None
    assert second.process.wait(60) == 1
    assert "Traceback" not in second.log
    assert str(running.process.pid if running.process else "") in second.log
    assert running.end(signal.SIGTERM) == 0


def test_a_worker_out_of_time_fails_the_episode_and_not_the_daemon(daemon: DaemonMaker) -> None:
    running = daemon(episode={"records": 800, "steps": 1_000_000, "wall_seconds": 6}).start()
    closed = running.wait_for_event("episode.closed")
    assert closed["outcome"] == "failed"
    assert "wall limit" in closed["reason"]
    assert running.fetch("/healthz") == "alive\n"
    assert running.end(signal.SIGTERM) == 0
