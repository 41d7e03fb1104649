"""The state directory and its lock."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from adaptd.errors import StateDirectoryError
from adaptd.store.directory import DaemonLock, StateDirectory

HOLD = """
import sys, time
from pathlib import Path
from adaptd.store.directory import DaemonLock
with DaemonLock(Path(sys.argv[1])):
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    time.sleep(600)
"""


def test_open_makes_the_directory_and_says_its_version(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path / "a" / "state")
    document = json.loads((state.path / "state.json").read_bytes())
    assert document == {"schema_version": 1}


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path)
    written = (tmp_path / "state.json").stat()
    assert StateDirectory.open(tmp_path) == state
    assert (tmp_path / "state.json").stat().st_ino == written.st_ino


def test_paths_of_a_stream_lie_inside(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    paths = [state.releases("pump"), state.episodes("pump"), state.segments("pump")]
    assert len(set(paths)) == 3
    assert all(path.name == "pump" and path.is_relative_to(tmp_path) for path in paths)


@pytest.mark.parametrize("name", ["", ".", "..", "../pump", "/pump", "a/b", "a\0b"])
def test_no_name_of_a_stream_leads_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name of a stream"):
        StateDirectory(tmp_path).releases(name)


def test_a_newer_version_is_refused_with_both_versions_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"schema_version": 7}')
    with pytest.raises(StateDirectoryError, match=r"version 7.*version 1.*install a newer"):
        StateDirectory.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema_version": "1"}'])
def test_a_damaged_marker_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(StateDirectoryError, match=str(tmp_path)):
        StateDirectory.open(tmp_path)
    assert (tmp_path / "state.json").read_text() == text


def test_a_file_is_no_state_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateDirectoryError, match="cannot be a state directory"):
        StateDirectory.open(tmp_path / "file")


def test_a_lock_can_be_taken_again_after_it_was_left(tmp_path: Path) -> None:
    lock = tmp_path / "daemon.lock"
    with DaemonLock(lock):
        pass
    with DaemonLock(lock), pytest.raises(StateDirectoryError), DaemonLock(lock):
        pass


def test_a_lock_is_shared_with_those_that_share_it_and_nobody_else(tmp_path: Path) -> None:
    lock = tmp_path / "daemon.lock"
    refused = pytest.raises(StateDirectoryError)
    with DaemonLock(lock, is_shared=True), DaemonLock(lock, is_shared=True), refused:
        DaemonLock(lock).__enter__()
    with DaemonLock(lock), pytest.raises(StateDirectoryError), DaemonLock(lock, is_shared=True):
        pass


def test_a_lock_is_left_when_its_block_raises(tmp_path: Path) -> None:
    lock = tmp_path / "daemon.lock"
    with pytest.raises(KeyError), DaemonLock(lock):
        raise KeyError
    with DaemonLock(lock):
        pass


@pytest.mark.slow
def test_a_second_process_is_refused_with_the_pid_until_the_first_is_killed(
    tmp_path: Path,
) -> None:
    lock = tmp_path / "daemon.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            refused = pytest.raises(StateDirectoryError, match=rf"process {holder.pid}\b")
            with refused, DaemonLock(lock):
                pass
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
    with DaemonLock(lock):
        pass
