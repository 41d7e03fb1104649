"""The demo's configuration, and the note that ties a state directory to one demo."""

import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adaptd.config import Config, parse
from adaptd.errors import StateDirectoryError
from adaptd.store.files import PARTIAL_SUFFIX, write_atomically
from adaptd.stream.scenario import SCENARIOS

SCHEMA_VERSION = 1
NOTE = "demo.json"

# The first window, that release 1 learns.
INITIAL_RECORDS = 2_000
# Leaves 2,000 records on which release 1 is seen at its best before the drift.
DRIFT_AT = 4_000
# Every accuracy of the report is over at least so many.
MEASURED_RECORDS = 1_000
# How long the new release is watched: enough to be seen in the picture of a much longer stream.
WATCHED_RECORDS = 2_000


@dataclass(frozen=True)
class Demo:
    """What makes two runs the same demo: all records and all randomness follow from it."""

    scenario: str
    seed: int
    drift_at: int = DRIFT_AT
    initial_records: int = INITIAL_RECORDS

    @property
    def stream(self) -> str:
        return self.scenario


def claim(path: Path, demo: Demo) -> None:
    """Notes in the directory which demo it holds, before the daemon's first record.

    Raises StateDirectoryError if it holds another demo, or the state of something else.
    """
    ours = {"schema_version": SCHEMA_VERSION, **asdict(demo)}
    note = path / NOTE
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not note.exists():
            if any(each.suffix != PARTIAL_SUFFIX for each in path.iterdir()):
                raise StateDirectoryError(
                    f"{path} holds files, but no demo ({NOTE}): give --state an empty directory"
                )
            write_atomically(note, json.dumps(ours).encode())
            return
        theirs = json.loads(note.read_bytes())
    except OSError as error:
        raise StateDirectoryError(f"{path}: cannot be a state directory: {error}") from error
    except ValueError as error:
        raise StateDirectoryError(f"{note} is damaged: {error}") from error
    if theirs != ours:
        raise StateDirectoryError(
            f"{path} holds the demo {_words(theirs)}, asked for is {_words(ours)}: "
            "give the same options to go on with it, or another --state"
        )


def configuration(
    demo: Demo, *, state: Path, speed: float, is_waiting: bool, server_port: int, metrics_port: int
) -> Config:
    """The configuration that `adaptd run` would take for the same job.

    speed: records per second, once the first window is there. is_waiting: a person decides, not
    the policy.
    Raises ConfigError for values that the tree refuses.
    """
    stream: dict[str, Any] = {
        "name": demo.stream,
        "source": {
            "kind": "scenario",
            "scenario": demo.scenario,
            "seed": demo.seed,
            "drift_at": demo.drift_at,
            # There is nothing to watch before release 1, so nobody waits for its records.
            "pace": {"records_per_second": speed, "from_record": demo.initial_records},
        },
        "model": {"operation": SCENARIOS[demo.scenario].operation},
        "initial": {"records": demo.initial_records},
        "trial": {"minimum_records": MEASURED_RECORDS},
        "approval": {"policy": "operator" if is_waiting else "automatic"},
    }
    document = {
        "state_directory": state,
        "seed": demo.seed,
        "streams": [stream],
        "server": {"port": server_port},
        "metrics": {"port": metrics_port},
        # What happens has lines of its own; the log only speaks up when something is wrong.
        "log": {"level": "error"},
    }
    return parse(document, origin="demo")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on now, all different."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _words(note: dict[str, Any]) -> str:
    return f"{note.get('scenario')!r} with seed {note.get('seed')}"
