"""Every record counts exactly once, whenever the daemon is killed."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.integration.conftest import STREAM, DaemonMaker
from tests.integration.recordings import (
    FIRST,
    check_counted_once,
    delivered,
    recording,
    replay_of,
    stream_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

# A few in each run of the tests; 100 and more, with this variable, where the store or the loop has
# changed.
KILLS = int(os.environ.get("ADAPTD_TEST_KILLS", "12"))

RECORDS = 8_000
# Of a run between two kills, in seconds. A checkpoint is due all the time, so a kill is likely to
# come in one.
LIVES = (0.0, 0.6)
CHECKPOINT_SECONDS = 0.02


def test_every_record_counts_once_whenever_the_daemon_is_killed(
    daemon: DaemonMaker, tmp_path: Path
) -> None:
    made = recording(RECORDS)
    pace = (RECORDS - FIRST) / (KILLS * sum(LIVES) / 2) / 2
    running = daemon(
        source=replay_of(made, tmp_path / "sensors.jsonl", records_per_second=pace),
        **stream_of(RECORDS, checkpoint_seconds=CHECKPOINT_SECONDS),
    ).start()
    running.wait_for_event("release.published", number=1)
    chance = random.Random(0)
    for _ in range(KILLS):
        time.sleep(chance.uniform(*LIVES))
        running.end(signal.SIGKILL)
        running.start()
        running.wait_for_event("stream.resumed")
    running.wait_for_event("stream.exhausted")
    letters = running.state.dead_letters(STREAM)
    running.wait_for(
        lambda: letters.exists() and len(delivered(letters)) == len(made.poison),
        name="dead letters",
    )
    assert running.end(signal.SIGTERM) == 0
    check_counted_once(running.state, made)
    # At least once, and none that is none.
    assert sorted(delivered(letters)) == list(made.poison)
