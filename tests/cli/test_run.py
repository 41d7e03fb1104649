"""`adaptd run` and `adaptd serve` as processes."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adaptd.cli.demo_setup import free_ports
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory

pytestmark = pytest.mark.slow

Start = Callable[..., subprocess.Popen[str]]

# A loaded machine takes long to import; only a hang is a failure.
PATIENCE_SECONDS = 120.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `adaptd COMMAND -c FILE` and kills at the end what still runs."""
    started: list[subprocess.Popen[str]] = []

    def begin(command: str, *, metrics_port: int, server: str) -> subprocess.Popen[str]:
        path = tmp_path / f"{len(started)}.yaml"
        path.write_text(
            f"state_directory: {tmp_path / 'state'}\n"
            "streams: [{name: a, source: {kind: scenario, pace: {records_per_second: 50}}}]\n"
            f"metrics: {{port: {metrics_port}}}\nserver: {{{server}}}\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "adaptd", command, "-c", str(path)],
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _wait(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "it hangs"
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_daemon_ends_cleanly_on_a_signal_and_a_second_one(
    start: Start, number: signal.Signals
) -> None:
    [port] = free_ports(1)
    process = start("run", metrics_port=port, server="enabled: false")
    _wait(lambda: _listens(port), process)
    process.send_signal(number)
    process.send_signal(number)
    errors = process.communicate(timeout=PATIENCE_SECONDS)[1]
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_a_port_that_is_taken_is_a_wrong_configuration(start: Start) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        process = start("run", metrics_port=port, server="enabled: false")
        errors = process.communicate(timeout=PATIENCE_SECONDS)[1]
    assert process.returncode == 2, errors
    assert f"127.0.0.1:{port}" in errors
    assert "Traceback" not in errors


def test_the_server_alone_shows_the_state_of_a_daemon_that_is_down(
    start: Start, tmp_path: Path
) -> None:
    state = StateDirectory.open(tmp_path / "state")
    Database.open(state.database).close()
    process = start("serve", metrics_port=0, server="port: 0")
    address = state.path / "server.json"
    _wait(address.exists, process)
    url = json.loads(address.read_bytes())["url"]
    with urllib.request.urlopen(f"{url.rstrip('/')}/api/v1/state") as answer:
        assert answer.status == 200
    process.terminate()
    errors = process.communicate(timeout=PATIENCE_SECONDS)[1]
    assert process.returncode == 0, errors
