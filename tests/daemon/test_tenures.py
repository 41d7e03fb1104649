"""What a member of a group lets go of with a stream."""

from pathlib import Path

import pytest

from adaptd.adaptation.trigger import TriggerQueue
from adaptd.clock import FakeClock
from adaptd.config import MembersConfig, StreamConfig
from adaptd.daemon.health import Health
from adaptd.daemon.process import Process
from adaptd.daemon.schedule import Schedule
from adaptd.daemon.tenures import Tenures
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.stream.membership import Change
from adaptd.telemetry import Metrics
from tests.daemon.conftest import ScriptedExecutor

STREAM = StreamConfig.model_validate(
    {
        "name": "pump",
        "source": {
            "kind": "kafka",
            "bootstrap_servers": ["127.0.0.1:1"],
            "topic": "pump",
            "group": "adaptd",
        },
        "record": {"shape": [2, 1], "classes": ["minus", "plus"]},
        "labels": {"topic": "pump.labels"},
    }
)


@pytest.fixture
def process(tmp_path: Path, database: Database, clock: FakeClock) -> Process:
    queue = TriggerQueue()
    return Process(
        seed=0,
        state=StateDirectory.open(tmp_path / "state"),
        database=database,
        queue=queue,
        schedule=Schedule(database=database, queue=queue, clock=clock),
        executor=ScriptedExecutor(),
        is_shared=True,
        clock=clock,
        metrics=Metrics(),
        health=Health(clock),
    )


@pytest.mark.parametrize("kind", ["taken", "lost"])
def test_who_has_let_go_of_a_stream_commits_its_labels_no_longer(
    process: Process, kind: str
) -> None:
    tenures = Tenures([STREAM], MembersConfig(), process)
    (group,) = tenures._groups
    for topic in ("pump", "pump.labels"):
        group.commits_of(topic).commit({0: 5})
    assert {place.topic for place in group.membership._offsets()} == {"pump", "pump.labels"}
    tenures._follow(group, Change(kind, frozenset({"pump"})))  # type: ignore[arg-type]
    assert group.membership._offsets() == {}
