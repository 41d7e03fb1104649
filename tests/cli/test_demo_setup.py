"""Which demo a state directory holds, and what the daemon is told to run."""

import json
import socket
from pathlib import Path

import pytest

from adaptd.cli.demo import ScenarioName
from adaptd.cli.demo_setup import NOTE, Demo, claim, configuration, free_ports
from adaptd.config import Config, ScenarioSourceConfig
from adaptd.errors import StateDirectoryError
from adaptd.store.files import PARTIAL_SUFFIX
from adaptd.stream.scenario import SCENARIOS


def _configuration(demo: Demo, state: Path, *, is_waiting: bool = False) -> Config:
    return configuration(
        demo, state=state, speed=250, is_waiting=is_waiting, server_port=1, metrics_port=2
    )


def test_the_same_demo_goes_on_in_its_directory(tmp_path: Path) -> None:
    claim(tmp_path / "new" / "state", Demo("lag-shift", 4))
    claim(tmp_path / "new" / "state", Demo("lag-shift", 4))


@pytest.mark.parametrize("other", [Demo("lag-shift", 5), Demo("sampling-rate", 4)])
def test_another_demo_is_kept_out(tmp_path: Path, other: Demo) -> None:
    claim(tmp_path, Demo("lag-shift", 4))
    with pytest.raises(StateDirectoryError, match="'lag-shift' with seed 4"):
        claim(tmp_path, other)


def test_the_state_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "adaptd.db").write_bytes(b"production")
    with pytest.raises(StateDirectoryError, match="no demo"):
        claim(tmp_path, Demo("lag-shift", 0))
    assert [path.name for path in tmp_path.iterdir()] == ["adaptd.db"]


def test_a_kill_while_the_note_was_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f"demo.json.0{PARTIAL_SUFFIX}").write_bytes(b"{")
    claim(tmp_path, Demo("lag-shift", 0))
    assert json.loads((tmp_path / NOTE).read_bytes())["seed"] == 0


def test_a_damaged_note_is_named(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_bytes(b"{")
    with pytest.raises(StateDirectoryError, match=NOTE):
        claim(tmp_path, Demo("lag-shift", 0))


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateDirectoryError, match="cannot be a state directory"):
        claim(tmp_path / "file" / "state", Demo("lag-shift", 0))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_configuration_runs_the_scenario_with_its_sensible_model(
    tmp_path: Path, name: str
) -> None:
    config = _configuration(Demo(name, 7), tmp_path)
    [stream] = config.streams
    assert isinstance(stream.source, ScenarioSourceConfig)
    assert (stream.source.scenario, stream.source.seed, config.seed) == (name, 7, 7)
    assert stream.source.pace.records_per_second == 250
    # What release 1 learns comes at once; all that it predicts is held to the pace.
    assert stream.source.pace.from_record == stream.initial.records
    assert stream.model.operation == SCENARIOS[name].operation
    assert stream.initial.records < stream.source.drift_at
    assert stream.trial.minimum_records >= 1_000
    assert (config.server.port, config.metrics.port) == (1, 2)


def test_a_policy_approves_unless_a_person_is_to_decide(tmp_path: Path) -> None:
    demo = Demo("lag-shift", 0)
    assert _configuration(demo, tmp_path).streams[0].approval.policy == "automatic"
    waiting = _configuration(demo, tmp_path, is_waiting=True)
    assert waiting.streams[0].approval.policy == "operator"


def test_every_scenario_to_choose_from_is_one() -> None:
    assert {name.value for name in ScenarioName} <= set(SCENARIOS)


def test_free_ports_differ_and_can_be_listened_on() -> None:
    ports = free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
