"""A daemon that is stopped for a while, and whose stream another owner takes over meanwhile."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from adaptd.clock import SystemClock
from adaptd.errors import StoreUnavailable
from adaptd.store import epochs
from adaptd.store.database import Database
from tests.integration.conftest import HANG_SECONDS, STREAM, DaemonMaker, RunningDaemon
from tests.integration.recordings import FIRST, counted, recording, replay_of, stream_of

pytestmark = pytest.mark.slow

RECORDS = 20_000


@pytest.fixture
def running(daemon: DaemonMaker, tmp_path: Path) -> RunningDaemon:
    """A daemon in the middle of its recording."""
    made = recording(RECORDS)
    started = daemon(
        source=replay_of(made, tmp_path / "sensors.jsonl", records_per_second=400),
        **stream_of(RECORDS, checkpoint_seconds=0.1),
    ).start()
    started.wait_for_event("release.published", number=1)
    started.wait_for(lambda: len(counted(started.state).ids) > FIRST, name="records that count")
    return started


def take_over(running: RunningDaemon) -> None:
    """Stops the daemon and makes `newer` the owner of its stream."""
    assert running.process is not None
    database = Database.attach(running.state.database, busy_timeout_seconds=0.2)
    deadline = time.monotonic() + HANG_SECONDS
    try:
        while time.monotonic() < deadline:
            os.kill(running.process.pid, signal.SIGSTOP)
            try:
                with database.write() as connection:
                    epochs.acquire(
                        connection, stream=STREAM, owner="newer", now=SystemClock().now()
                    )
                return
            except StoreUnavailable:
                # Stopped within a transaction: nobody can take over before that has ended.
                os.kill(running.process.pid, signal.SIGCONT)
                time.sleep(0.05)
    finally:
        database.close()
    raise AssertionError("the write lock was never free")


def contents(running: RunningDaemon) -> tuple[str, dict[Path, bytes]]:
    """All rows of the store; the files that outlive a start."""
    with closing(sqlite3.connect(running.state.database)) as connection:
        rows = "\n".join(connection.iterdump())
    kept = {
        path: path.read_bytes()
        for kind in ("releases", "episodes")
        for path in (running.state.path / kind).rglob("*")
        if path.is_file()
    }
    return rows, kept


def test_a_stopped_daemon_writes_nothing_once_another_owner_has_its_stream(
    running: RunningDaemon,
) -> None:
    take_over(running)
    before = contents(running)
    assert running.process is not None
    running.process.send_signal(signal.SIGCONT)
    assert running.process.wait(HANG_SECONDS) == 1
    assert contents(running) == before
    assert "Traceback" not in running.log
    told = running.log.splitlines()[-1]
    assert f"stream '{STREAM}'" in told
    assert "of newer: this process no longer owns the stream" in told


def test_a_stopped_daemon_still_holds_its_state_directory(
    daemon: DaemonMaker, running: RunningDaemon
) -> None:
    assert running.process is not None
    running.process.send_signal(signal.SIGSTOP)
    second = daemon().start()
    assert second.process is not None
    assert second.process.wait(HANG_SECONDS) == 1
    assert f"held by another adaptd, process {running.process.pid}" in second.log
    before = len(counted(running.state).ids)
    running.process.send_signal(signal.SIGCONT)
    running.wait_for(lambda: len(counted(running.state).ids) > before + 100, name="records")
    assert running.end(signal.SIGTERM) == 0
