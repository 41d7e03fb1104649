"""A real daemon goes back from a release that came too late, and stays with one that did not."""

import json
import signal
import subprocess
import sys
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adaptd.adaptation.watch import Watch
from adaptd.observer.predictor import Predictor
from adaptd.observer.score import score
from adaptd.registry import decisions, proposals, watches
from adaptd.store import checkpoints
from adaptd.store.database import Database
from adaptd.stream.scenario import SCENARIOS, generate
from tests.events import validate_event
from tests.integration.conftest import STREAM, DaemonMaker, RunningDaemon

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SCENARIO = SCENARIOS["sampling-rate"]
DRIFT_AT = 1_600
MINIMUM = 300


class Sensor:
    """A recording that grows: of the old concept, of the new one, or of the old one once more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.x: list[NDArray[np.float32]] = []
        self.targets: list[int] = []

    @property
    def records(self) -> int:
        return len(self.targets)

    def append(self, count: int, *, is_new: bool) -> None:
        first = self.records
        x, target = generate(
            SCENARIO, seed=0, first=first, count=count, drift_at=0 if is_new else 10**9
        )
        # As they are read from JSON.
        x = x.round(3)
        with self._path.open("a") as file:
            for place in range(count):
                record = {
                    "id": f"r{first + place}",
                    "x": x[place].tolist(),
                    "target": SCENARIO.classes[target[place]],
                    "time": float(first + place),
                }
                file.write(json.dumps(record) + "\n")
        self.x.extend(x)
        self.targets.extend(target.tolist())


def watched(running: RunningDaemon) -> list[watches.Watch]:
    database = Database.attach(running.state.database)
    with database.read() as connection:
        found = watches.listing(connection, STREAM)
    database.close()
    return found


def counted(running: RunningDaemon) -> int:
    return sum(int(watch.evidence["records"]) for watch in watched(running))


def command(running: RunningDaemon, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "adaptd", *arguments, "--state", str(running.state.path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(running: RunningDaemon) -> int:
    """Records that the latest checkpoint has."""
    database = Database.attach(running.state.database)
    with database.read() as connection:
        kept = checkpoints.load(connection, STREAM)
    database.close()
    return 0 if kept is None else kept.next_record


def recounted(running: RunningDaemon, sensor: Sensor, evidence: dict[str, Any]) -> dict[str, Any]:
    """The watch once more, from the recording and the files of both releases."""
    _, second, first = running.releases()
    test = Watch(
        alpha=evidence["alpha"],
        minimum_records=evidence["minimum_records"],
        maximum_records=evidence["maximum_records"],
    )
    start = evidence["first_record"]
    x = np.stack(sensor.x[start:]).astype(np.float32)
    target = np.array(sensor.targets[start:])
    hits = [
        score(Predictor.load(running.state.path / release.path).predict(x), target)[0]
        for release in (second, first)
    ]
    test.update(*hits, first_record=start)
    return test.evidence()


def check_shown(running: RunningDaemon) -> None:
    """A rollback stands in the metrics, in the list of watches and on the page."""
    metrics = running.fetch("/metrics")
    assert f'adaptd_watches_total{{outcome="rolled-back",stream="{STREAM}"}} 1.0' in metrics
    assert "rolled back, as release 3" in command(running, "watches", "list")
    url = running.wait_for_event("server.listening")["url"].rstrip("/")
    with urllib.request.urlopen(f"{url}/streams/{STREAM}", timeout=30) as answer:
        page = answer.read().decode()
    assert "release 1 came back as 3" in page
    assert "policy:rollback" in page


def check_told(running: RunningDaemon) -> None:
    """Receivers have heard of all three releases, and of the watch."""
    told = [json.loads(line) for line in running.state.events.read_text().splitlines()]
    for event in told:
        validate_event(event)
    assert [event["data"]["number"] for event in told if event["kind"] == "release"] == [1, 2, 3]
    assert [event["data"]["state"] for event in told if event["kind"] == "watch"] == [
        "watching",
        "rolled-back",
    ]


def test_a_release_that_came_too_late_is_taken_back_through_a_kill(
    daemon: DaemonMaker, tmp_path: Path
) -> None:
    sensor = Sensor(tmp_path / "sensor.jsonl")
    sensor.append(DRIFT_AT, is_new=False)
    running = daemon(
        source={"kind": "replay", "path": str(tmp_path / "sensor.jsonl"), "follow": True},
        record={"shape": list(SCENARIO.shape), "classes": list(SCENARIO.classes)},
        # Whatever is better than what is deployed will do.
        episode={"records": 800, "steps": 100, "good_enough_points": 100},
        approval={"policy": "operator"},
        watch={"minimum_records": MINIMUM},
        checkpoint={"seconds": 0.1},
        server=True,
    ).start()

    def proposed() -> dict[str, Any] | None:
        if created := running.events("proposal.created"):
            return created[0]
        if read(running) == sensor.records:
            sensor.append(100, is_new=True)
        return None

    running.wait_for_event("release.published", number=1)
    running.wait_for(proposed, name="proposal")
    # The old sensor is back, and nobody has told who decides.
    sensor.append(400, is_new=False)
    found = json.loads(command(running, "proposals", "list", "--json"))["proposals"]
    running.wait_for(lambda: read(running) == sensor.records, name="end of the recording")
    command(running, "proposals", "approve", found[0]["id"], "--comment", "it looked good")
    running.wait_for_event("watch.begun", release=2)

    def is_reached(records: int) -> bool:
        if counted(running) >= records:
            return True
        if read(running) == sensor.records:
            sensor.append(20, is_new=False)
        return False

    for records in (40, 120):
        running.wait_for(partial(is_reached, records), name=f"{records} records")
        running.end(signal.SIGKILL)
        running.start()
        running.wait_for_event("stream.resumed", release=2)

    def is_back() -> bool:
        if read(running) == sensor.records:
            sensor.append(50, is_new=False)
        return len(running.releases()) == 3

    running.wait_for(is_back, name="rollback")
    running.wait_for_event("release.published", number=3)
    check_shown(running)
    at = read(running)
    sensor.append(200, is_new=False)
    running.wait_for(lambda: read(running) >= at + 200, name="records after the rollback")
    assert running.end(signal.SIGTERM) == 0

    third, second, first = running.releases()
    assert (third.parent, third.architecture) == (second.digest, first.architecture)
    (watch,) = watched(running)
    assert watch.outcome == "rolled-back"
    assert watch.evidence["records"] >= MINIMUM
    # Each record has counted once, whatever was killed: it is as if nothing had been.
    assert watch.evidence == recounted(running, sensor, watch.evidence)
    database = Database.attach(running.state.database)
    with database.read() as connection:
        decisions.verify_chain(connection)
        _, decision = decisions.listing(connection)
        assert proposals.get(connection, decision.proposal_id).state == "published"
    database.close()
    assert (decision.actor, decision.digest) == ("policy:rollback", third.digest)
    check_told(running)


def test_a_release_that_is_better_stays(daemon: DaemonMaker) -> None:
    running = daemon(
        episode={"records": 800, "steps": 100, "good_enough_points": 100},
        watch={"minimum_records": 100, "maximum_records": 500},
    ).start()
    running.wait_for_event("release.published", number=2)
    ended = running.wait_for_event("watch.ended")
    assert ended["outcome"] == "kept"
    assert running.end(signal.SIGTERM) == 0
    assert len(running.releases()) == 2
    (watch,) = watched(running)
    assert watch.evidence["records"] == 500
    assert watch.evidence["accuracy"]["released"] > watch.evidence["accuracy"]["predecessor"]
