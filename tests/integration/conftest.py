"""A real daemon as a process of its own, on a small stream, with a budget of seconds."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from adaptd.registry import episodes, releases
from adaptd.registry.episodes import Episode
from adaptd.registry.releases import Release
from adaptd.store.database import Database, Place
from adaptd.store.directory import StateDirectory
from adaptd.store.postgres import PostgresServer
from adaptd.store.sqlite import SqliteFile

STREAM = "sensors"

# How long anything here may take before the test calls it stuck.
HANG_SECONDS = 300

_PASSWORD_VARIABLE = "ADAPTD_TEST_STORE_PASSWORD"


class RunningDaemon:
    """`adaptd run` on a state directory, started and ended by the test."""

    def __init__(
        self,
        directory: Path,
        *,
        state: Path | None = None,
        server_of_store: PostgresServer | None = None,
        **changes: Any,
    ) -> None:
        """state: where it keeps its state, if not beside its log. server_of_store: where it keeps
        its rows, if not in a file there."""
        self.state = StateDirectory(state or directory / "state")
        self.place: Place = server_of_store or SqliteFile(self.state.database)
        self._environment = {}
        if server_of_store is not None:
            changes["store"] = {
                "url": server_of_store.url,
                "password": {"environment": _PASSWORD_VARIABLE},
            }
            self._environment[_PASSWORD_VARIABLE] = server_of_store.password or ""
        self._config = directory / "config.yaml"
        self._log = directory / "log"
        self._config.write_text(yaml.safe_dump(document(self.state.path, **changes)))
        self._start = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RunningDaemon":
        """Starts the daemon; events are looked for from here on."""
        self._start = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "adaptd", "run", "-c", str(self._config)],
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
            )
        return self

    def end(self, number: signal.Signals) -> int:
        """Sends the signal and waits; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(HANG_SECONDS)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log events of that name since the latest start."""
        found = []
        for line in self._log.read_bytes()[self._start :].decode().splitlines():
            if line.startswith("{"):
                event = json.loads(line)
                if event.get("event") == name:
                    found.append(event)
        return found

    def fetch(self, path: str) -> str:
        """A page of the daemon's own port."""
        port = self.events("daemon.started")[-1]["metrics_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def wait_for(self, what: Callable[[], Any], *, name: str) -> Any:
        """Waits until `what` is true and returns it; fails at once where the daemon has ended."""
        deadline = time.monotonic() + HANG_SECONDS
        while not (found := what()):
            assert self.process is not None
            assert self.process.poll() is None, f"the daemon ended:\n{self.log[-3000:]}"
            assert time.monotonic() < deadline, f"no {name}:\n{self.log[-3000:]}"
            time.sleep(0.1)
        return found

    def wait_for_event(self, name: str, **fields: Any) -> dict[str, Any]:
        """Waits for a log event with these fields."""
        found: dict[str, Any] = self.wait_for(
            lambda: next(
                (
                    event
                    for event in self.events(name)
                    if all(event.get(key) == value for key, value in fields.items())
                ),
                None,
            ),
            name=f"{name} {fields}",
        )
        return found

    def releases(self) -> list[Release]:
        """The stream's releases, newest first."""
        database = Database.attach(self.place)
        try:
            with database.read() as connection:
                return releases.history(connection, STREAM)
        finally:
            database.close()

    def episodes(self) -> list[Episode]:
        """The stream's episodes, newest first."""
        database = Database.attach(self.place)
        try:
            with database.read() as connection:
                return episodes.history(connection, STREAM)
        finally:
            database.close()


DaemonMaker = Callable[..., RunningDaemon]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonMaker]:
    """Makes a daemon; keywords take the place of its stream's sections."""
    made: list[RunningDaemon] = []

    def make(**changes: Any) -> RunningDaemon:
        made.append(RunningDaemon(tmp_path, **changes))
        return made[-1]

    yield make
    for running in made:
        running.close()


def document(
    state: Path,
    *,
    server: bool = False,
    members: dict[str, Any] | None = None,
    others: Sequence[dict[str, Any]] = (),
    workers: dict[str, Any] | None = None,
    store: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A configuration that goes from start to release in well under a minute.

    others: sections of further streams, with their names.

    On this scenario a network of width 8 that may change its kernels reaches 70 % in 250 steps,
    one that may not 34 %, so that a trial of a few hundred records decides.
    """
    stream: dict[str, Any] = {
        "name": STREAM,
        "source": {
            "kind": "scenario",
            "scenario": "sampling-rate",
            "drift_at": 1_600,
            "pace": {"records_per_second": 400},
        },
        "model": {"settings": {"width": 8}, "operation": "dw k3 d1"},
        "initial": {"records": 800, "steps": 250},
        "episode": {"records": 800, "steps": 250},
        "trial": {"minimum_records": 200, "maximum_records": 1_500},
        "approval": {"policy": "automatic"},
    }
    return {
        "state_directory": str(state),
        "streams": [{**stream, **changes}, *({**stream, **other} for other in others)],
        "members": members,
        "workers": workers or {},
        "store": store or {},
        "server": {"enabled": server, "port": 0},
        "metrics": {"port": 0},
        "log": {"format": "json"},
    }
