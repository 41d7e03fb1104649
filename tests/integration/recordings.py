"""A recording for a real daemon, and what its store says of the records in it."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptd.registry import dead_letters, scores
from adaptd.registry.scores import BlockScore
from adaptd.store import segments
from adaptd.store.database import Database, Place
from adaptd.store.directory import StateDirectory
from adaptd.store.sqlite import SqliteFile
from adaptd.stream.scenario import SCENARIOS, generate
from adaptd.stream.segment import read_segment
from tests.integration.conftest import STREAM

SCENARIO = SCENARIOS["sampling-rate"]
# Of release 1: quick to have.
FIRST = 200
# One record in so many is none.
POISON_EVERY = 40
POISON = "{no record"


@dataclass(frozen=True)
class Recording:
    """ids: of the records, in order. poison: offsets of what is none."""

    lines: tuple[str, ...]
    ids: tuple[str, ...]
    poison: tuple[int, ...]


def recording(records: int) -> Recording:
    """So many records and poison among them, in which nothing drifts."""
    x, target = generate(SCENARIO, seed=0, first=0, count=records, drift_at=records)
    lines, ids, poison = [], [], []
    for number in range(records):
        if number % POISON_EVERY == POISON_EVERY - 1:
            poison.append(number)
            lines.append(POISON)
            continue
        ids.append(f"r{number}")
        record = {
            "id": ids[-1],
            "x": x[number].round(3).tolist(),
            "target": SCENARIO.classes[target[number]],
            "time": float(number),
        }
        lines.append(json.dumps(record))
    return Recording(tuple(lines), tuple(ids), tuple(poison))


def stream_of(records: int, *, checkpoint_seconds: float) -> dict[str, Any]:
    """Sections of a stream that keeps every record in its window and never adapts.

    An episode would only take the time.
    """
    return {
        "record": {"shape": list(SCENARIO.shape), "classes": list(SCENARIO.classes)},
        "initial": {"records": FIRST, "steps": 20},
        "alarm": {"delta": 1e-12},
        "window_records": 2 * records,
        "checkpoint": {"seconds": checkpoint_seconds},
    }


def replay_of(made: Recording, path: Path, *, records_per_second: float) -> dict[str, Any]:
    """The section of a source that replays it, from record `FIRST` on at that pace."""
    path.write_text("\n".join(made.lines))
    return {
        "kind": "replay",
        "path": str(path),
        "pace": {"records_per_second": records_per_second, "from_record": FIRST},
    }


@dataclass(frozen=True)
class Counted:
    """ids: of the records in the window, in order. rejects: reason -> records."""

    ids: tuple[str, ...]
    rejects: dict[str, int]
    blocks: tuple[BlockScore, ...]


def counted(state: StateDirectory, stream: str = STREAM, *, place: Place | None = None) -> Counted:
    """What has counted of a stream by the latest checkpoint. place: of the rows, where they are not
    in the state directory."""
    database = Database.attach(place or SqliteFile(state.database))
    try:
        with database.read() as connection:
            rows = segments.listing(connection, stream)
            blocks = scores.series(connection, stream, limit=1_000_000)
            rejects = dead_letters.counts(connection, stream)
    finally:
        database.close()
    batches = [read_segment(state.path / row.path, row.digest) for row in rows]
    ids = tuple(str(name) for batch in batches for name in batch.ids)
    return Counted(ids, rejects, tuple(blocks))


def check_counted_once(
    state: StateDirectory, made: Recording, *, place: Place | None = None
) -> None:
    """Every record of the recording is in the window once, in order, and was scored once; all
    poison was set aside once. place: as of `counted`."""
    found = counted(state, place=place)
    assert found.ids == made.ids
    assert found.rejects == {"unreadable": len(made.poison)}
    ends = [block.first_record + block.records for block in found.blocks]
    assert [block.first_record for block in found.blocks] == [FIRST, *ends[:-1]]
    assert len(made.ids) - ends[-1] < found.blocks[0].records


def delivered(path: Path) -> Counter[int]:
    """Offset -> how often it stands in a file of dead letters."""
    return Counter(json.loads(line)["offset"] for line in path.read_bytes().splitlines())
