"""A disk that is full while the daemon runs, and has space again."""

import re
import signal
from pathlib import Path

import pytest

from tests.disks import Disk
from tests.integration.conftest import STREAM, DaemonMaker, RunningDaemon
from tests.integration.recordings import (
    FIRST,
    check_counted_once,
    counted,
    delivered,
    recording,
    replay_of,
    stream_of,
)

pytestmark = pytest.mark.slow

RECORDS = 6_000
MADE = recording(RECORDS)

# Of space that is left: nothing is written at all; a segment is, and its transaction is not; some
# checkpoints are written, and then neither.
LEFT_BYTES = (0, 16 * 2**10, 48 * 2**10, 128 * 2**10)


@pytest.fixture
def running(daemon: DaemonMaker, tmp_path: Path, disk: Disk) -> RunningDaemon:
    """A daemon with its state on the disk, in the middle of its recording."""
    started = daemon(
        source=replay_of(MADE, tmp_path / "sensors.jsonl", records_per_second=400),
        state=disk.path / "state",
        **stream_of(RECORDS, checkpoint_seconds=0.05),
    ).start()
    started.wait_for_event("release.published", number=1)
    started.wait_for(lambda: len(counted(started.state).ids) > FIRST, name="records that count")
    return started


def failed_writes(running: RunningDaemon) -> float:
    (told,) = re.findall(
        rf'adaptd_store_unavailable_total{{stream="{STREAM}"}} (\S+)', running.fetch("/metrics")
    )
    return float(told)


def finish(running: RunningDaemon) -> None:
    running.wait_for_event("stream.exhausted")
    letters = running.state.dead_letters(STREAM)
    running.wait_for(
        lambda: letters.exists() and set(delivered(letters)) == set(MADE.poison),
        name="dead letters",
    )
    assert running.end(signal.SIGTERM) == 0
    assert "Traceback" not in running.log
    check_counted_once(running.state, MADE)


def test_a_full_disk_is_told_and_pauses_the_stream_until_there_is_space(
    running: RunningDaemon, disk: Disk
) -> None:
    for times, left in enumerate(LEFT_BYTES, start=1):
        fill_and_empty(running, disk, left_bytes=left, times=times)
    finish(running)


def fill_and_empty(running: RunningDaemon, disk: Disk, *, left_bytes: int, times: int) -> None:
    """times: how often this has been done, with this one."""
    before = failed_writes(running)
    disk.fill(leave_bytes=left_bytes)
    running.wait_for(lambda: failed_writes(running) > before, name="a write that fails")
    assert str(running.state.path) in running.events("store.unavailable")[-1]["error"]
    with pytest.raises(OSError, match="503"):
        running.fetch("/readyz")
    disk.empty()
    running.wait_for(lambda: len(running.events("store.available")) == times, name="space")
    running.wait_for(lambda: is_ready(running), name="readiness")


def is_ready(running: RunningDaemon) -> bool:
    try:
        return running.fetch("/readyz") == "ready\n"
    except OSError:
        return False


def test_a_kill_and_a_start_on_a_full_disk_lose_nothing(running: RunningDaemon, disk: Disk) -> None:
    disk.fill()
    running.wait_for(lambda: failed_writes(running) > 0, name="a write that fails")
    running.end(signal.SIGKILL)
    running.start()
    process = running.process
    assert process is not None
    # It ends, and whoever watches over it starts it again until there is space; or what it has to
    # write for its start still fits, and it waits by itself.
    running.wait_for(
        lambda: process.poll() is not None or running.events("daemon.started"), name="start or end"
    )
    if process.poll() is not None:
        assert process.returncode == 1
        assert str(running.state.path) in running.log.splitlines()[-1]
    disk.empty()
    if process.poll() is not None:
        running.start()
    finish(running)
