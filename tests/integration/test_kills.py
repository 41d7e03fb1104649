"""Every record counts exactly once, whenever the daemon is killed."""

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from adaptd.registry import dead_letters, scores
from adaptd.store import segments
from adaptd.store.database import Database
from adaptd.stream.scenario import SCENARIOS, generate
from adaptd.stream.segment import read_segment
from tests.integration.conftest import STREAM, DaemonMaker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

# A few in each run of the tests; 100 and more, with this variable, where the store or the loop has
# changed.
KILLS = int(os.environ.get("ADAPTD_TEST_KILLS", "12"))

SCENARIO = SCENARIOS["sampling-rate"]
RECORDS, FIRST = 8_000, 200
# One line in so many is none.
POISON_EVERY = 40
# Of a run between two kills, in seconds. A checkpoint is due all the time, so a kill is likely to
# come in one.
LIVES = (0.0, 0.6)
CHECKPOINT_SECONDS = 0.02


def recording(path: Path) -> tuple[list[str], list[int]]:
    """Writes records and poison; returns ids of the one and offsets of the other, in order."""
    x, target = generate(SCENARIO, seed=0, first=0, count=RECORDS, drift_at=RECORDS)
    ids, poison, lines = [], [], []
    for number in range(RECORDS):
        if number % POISON_EVERY == POISON_EVERY - 1:
            poison.append(number)
            lines.append("{no record")
            continue
        ids.append(f"r{number}")
        record = {
            "id": ids[-1],
            "x": x[number].round(3).tolist(),
            "target": SCENARIO.classes[target[number]],
            "time": float(number),
        }
        lines.append(json.dumps(record))
    path.write_text("\n".join(lines))
    return ids, poison


def test_every_record_counts_once_whenever_the_daemon_is_killed(
    daemon: DaemonMaker, tmp_path: Path
) -> None:
    path = tmp_path / "sensors.jsonl"
    ids, poison = recording(path)
    pace = (RECORDS - FIRST) / (KILLS * sum(LIVES) / 2) / 2
    running = daemon(
        source={
            "kind": "replay",
            "path": str(path),
            "pace": {"records_per_second": pace, "from_record": FIRST},
        },
        record={"shape": list(SCENARIO.shape), "classes": list(SCENARIO.classes)},
        initial={"records": FIRST, "steps": 20},
        # Nothing drifts here, and an episode would only take the time.
        alarm={"delta": 1e-12},
        window_records=2 * RECORDS,
        checkpoint={"seconds": CHECKPOINT_SECONDS},
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
        lambda: letters.exists() and len(delivered(letters)) == len(poison), name="dead letters"
    )
    assert running.end(signal.SIGTERM) == 0

    database = Database.attach(running.state.database)
    with database.read() as connection:
        rows = segments.listing(connection, STREAM)
        blocks = scores.series(connection, STREAM, limit=RECORDS)
        counts = dead_letters.counts(connection, STREAM)
    database.close()
    batches = [read_segment(running.state.path / row.path, row.digest) for row in rows]
    assert [name for batch in batches for name in batch.ids] == ids
    assert counts == {"unreadable": len(poison)}
    # At least once, and none that is none.
    assert sorted(delivered(letters)) == poison
    ends = [block.first_record + block.records for block in blocks]
    assert [block.first_record for block in blocks] == [FIRST, *ends[:-1]]
    assert len(ids) - ends[-1] < blocks[0].records


def delivered(path: Path) -> Counter[int]:
    return Counter(json.loads(line)["offset"] for line in path.read_bytes().splitlines())
