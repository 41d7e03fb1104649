"""A real daemon on files that a crash or a disk has damaged: it goes on, or says what to do."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from adaptd.clock import SystemClock
from adaptd.store import segments
from adaptd.store.backup import back_up
from adaptd.store.database import Database
from adaptd.store.segments import SegmentRow
from tests.integration.conftest import HANG_SECONDS, STREAM, DaemonMaker, RunningDaemon
from tests.integration.recordings import (
    FIRST,
    check_counted_once,
    counted,
    recording,
    replay_of,
    stream_of,
)

pytestmark = pytest.mark.slow

RECORDS = 4_000
MADE = recording(RECORDS)


@pytest.fixture
def killed(daemon: DaemonMaker, tmp_path: Path) -> RunningDaemon:
    """A daemon that was killed in the middle of its recording, some time after a backup `backup`
    of it was made."""
    running = daemon(
        source=replay_of(MADE, tmp_path / "sensors.jsonl", records_per_second=600),
        **stream_of(RECORDS, checkpoint_seconds=0.1),
    ).start()
    running.wait_for_event("release.published", number=1)
    wait_for_records(running, FIRST + 300)
    back_up(running.state, tmp_path / "backup", now=SystemClock().now())
    wait_for_records(running, len(counted(running.state).ids) + 300)
    running.end(signal.SIGKILL)
    return running


def wait_for_records(running: RunningDaemon, records: int) -> None:
    running.wait_for(
        lambda: len(counted(running.state).ids) >= records, name=f"{records} records that count"
    )


def adaptd(running: RunningDaemon, *arguments: str) -> str:
    """A command on the daemon's state; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "adaptd", *arguments, "--state", str(running.state.path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(running: RunningDaemon) -> str:
    """The last line of a start that fails."""
    running.start()
    assert running.process is not None
    assert running.process.wait(HANG_SECONDS) == 1
    assert "Traceback" not in running.log
    return running.log.splitlines()[-1]


def newest_segment(running: RunningDaemon) -> SegmentRow:
    database = Database.attach(running.state.database)
    with database.read() as connection:
        row = segments.listing(connection, STREAM)[-1]
    database.close()
    return row


def finish(running: RunningDaemon) -> None:
    """Lets the daemon read to the end; every record has counted once."""
    running.start()
    running.wait_for_event("stream.exhausted")
    assert running.end(signal.SIGTERM) == 0
    check_counted_once(running.state, MADE)


@pytest.mark.parametrize("lost_bytes", [1, 2_000, 5_000])
def test_a_log_without_its_end_costs_the_latest_checkpoint_at_most(
    killed: RunningDaemon, lost_bytes: int
) -> None:
    log = killed.state.database.with_name("adaptd.db-wal")
    log.write_bytes(log.read_bytes()[:-lost_bytes])
    finish(killed)


def test_a_damaged_segment_is_copied_from_a_backup_and_the_stream_goes_on(
    killed: RunningDaemon, tmp_path: Path
) -> None:
    kept = tmp_path / "newer"
    back_up(killed.state, kept, now=SystemClock().now())
    row = newest_segment(killed)
    segment = killed.state.path / row.path
    segment.write_bytes(segment.read_bytes()[:-1])
    told = refusal(killed)
    assert row.path in told
    assert "copy this file from a backup" in told
    shutil.copyfile(kept / row.path, segment)
    finish(killed)


def test_a_damaged_database_is_refused_and_a_backup_of_it_goes_on(
    killed: RunningDaemon, tmp_path: Path
) -> None:
    database = killed.state.database
    # Both in the file itself: the log would only hide it until it is folded in.
    Database.open(database).close()
    pages = bytearray(database.read_bytes())
    for place in range(4_096, len(pages), 8_192):
        pages[place : place + 512] = bytes(512)
    database.write_bytes(bytes(pages))
    told = refusal(killed)
    assert str(database) in told
    assert "`adaptd restore`" in told
    adaptd(killed, "restore", str(tmp_path / "backup"))
    finish(killed)


def test_a_database_that_is_gone_is_not_begun_anew(killed: RunningDaemon, tmp_path: Path) -> None:
    for file in killed.state.path.glob("adaptd.db*"):
        file.unlink()
    told = refusal(killed)
    assert "`adaptd restore`" in told
    assert not killed.state.database.exists()
    adaptd(killed, "restore", str(tmp_path / "backup"))
    finish(killed)
