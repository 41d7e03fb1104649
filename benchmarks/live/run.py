"""`run`: the daemon itself on a recording that grows no faster than the daemon comes along.

A search takes tens of seconds, in which a stream that comes at full speed would be over, and one
that comes at its own pace would keep a benchmark waiting. So nothing comes while a worker learns.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adaptd.clock import Clock, SystemClock
from adaptd.config import parse
from adaptd.daemon import Daemon
from adaptd.registry import alarms, episodes, proposals, releases, scores
from adaptd.registry.alarms import AlarmRow
from adaptd.registry.episodes import Episode
from adaptd.registry.proposals import Proposal
from adaptd.registry.releases import Release
from adaptd.registry.scores import BlockScore
from adaptd.store import checkpoints
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from benchmarks.live.feed import Feed, class_names, part
from benchmarks.streams import Samples, Stream

STREAM = "measured"
# Records that come at a time: few, so that an alarm finds little of what follows it.
_CHUNK = 64
_POLL_SECONDS = 0.05
# Several times what a job takes beside other work; only a daemon that hangs meets it.
_LIMIT_SECONDS = 3_600.0
_ALL = 100_000


@dataclass(frozen=True)
class Live:
    """One run. records: all that may come, of which the first `initial` train release 1.

    steps: of each remedy. ends_with_episode: whether the first one's end ends the run.
    settings: of the stream, over what is set here.
    """

    shift: Stream
    records: Samples
    initial: int
    steps: int
    seed: int
    ends_with_episode: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Watched:
    """What the store tells of a run. state: its directory. records: how many were observed."""

    state: Path
    records: int
    alarms: Sequence[AlarmRow]
    episodes: Sequence[Episode]
    proposals: Sequence[Proposal]
    releases: Sequence[Release]
    blocks: Sequence[BlockScore]

    def path_of(self, release: Release) -> Path:
        """The release's directory."""
        return self.state / release.path

    def members(self, episode: Episode) -> dict[str, Path]:
        """Directory of each network that was in the episode's last trial."""
        root = StateDirectory.open(self.state).episodes(STREAM) / episode.id / "members"
        found = episode.result.get("members", {})
        return {name: root / member["directory"] for name, member in found.items()}


def run(live: Live, *, directory: Path) -> Watched:
    """Until the records are used up, or an episode has ended where that is enough.

    Raises TimeoutError for a daemon that does not come along within an hour.
    """
    feed = Feed(directory / "stream.jsonl", classes=live.shift.classes)
    config = parse(_document(live, directory), origin="benchmark")
    state = StateDirectory.open(config.state_directory)
    database = Database.open(state.database)
    stop, clock = threading.Event(), SystemClock()
    try:
        with ThreadPoolExecutor(max_workers=1) as pool:
            feeding = pool.submit(_feed, live, feed, database, stop=stop, clock=clock)
            try:
                Daemon(config, state=state).run(stop)
            finally:
                stop.set()
            feeding.result()
        return _watched(database, config.state_directory)
    finally:
        database.close()


def _document(live: Live, directory: Path) -> dict[str, Any]:
    shift = live.shift
    stream: dict[str, Any] = {
        "name": STREAM,
        "source": {"kind": "replay", "path": directory / "stream.jsonl", "follow": True},
        "record": {"shape": list(shift.shape), "classes": class_names(shift.classes)},
        "initial": {"records": live.initial},
        "episode": {"steps": live.steps},
        "approval": {"policy": "automatic"},
        # So that the feed sees at once how far the daemon is.
        "checkpoint": {"seconds": 0.05},
    }
    if shift.champion is not None:
        stream["model"] = {"operation": shift.champion}
    stream.update(live.settings)
    return {
        "state_directory": directory / "state",
        "seed": live.seed,
        "streams": [stream],
        "server": {"enabled": False},
        "metrics": {"port": 0, "host": "127.0.0.1"},
        "log": {"level": "error"},
    }


def _feed(
    live: Live, feed: Feed, database: Database, *, stop: threading.Event, clock: Clock
) -> None:
    """Stops the daemon at the end, whatever that is."""
    started = clock.monotonic()
    try:
        while not stop.wait(_POLL_SECONDS):
            if clock.monotonic() - started > _LIMIT_SECONDS:
                raise TimeoutError(f"the daemon is at a standstill: {_standing(database)}")
            now = _standing(database)
            if live.ends_with_episode and now.ended:
                return
            is_learning = now.episode in ("searching", "proposed") or not now.releases
            is_behind = now.observed < feed.written - _CHUNK
            if feed.written and (is_learning or is_behind):
                continue
            if feed.written == len(live.records):
                # What is in the last block that is not full is never observed.
                return
            first = feed.written
            end = live.initial if first < live.initial else min(first + _CHUNK, len(live.records))
            feed.append(part(live.records, first, end))
    finally:
        stop.set()


@dataclass(frozen=True)
class _Standing:
    """observed: records. episode: state of the one that runs. ended: how many have."""

    observed: int
    releases: int
    episode: str | None
    ended: int


def _standing(database: Database) -> _Standing:
    with database.read() as connection:
        checkpoint = checkpoints.load(connection, STREAM)
        running = episodes.active(connection, STREAM)
        return _Standing(
            observed=0 if checkpoint is None else checkpoint.next_record,
            releases=len(releases.history(connection, STREAM)),
            episode=None if running is None else running.state,
            ended=sum(
                1
                for episode in episodes.history(connection, STREAM, _ALL)
                if episode.closed_at is not None
            ),
        )


def _watched(database: Database, state: Path) -> Watched:
    with database.read() as connection:
        checkpoint = checkpoints.load(connection, STREAM)
        return Watched(
            state=state,
            records=0 if checkpoint is None else checkpoint.next_record,
            alarms=sorted(alarms.listing(connection, STREAM, _ALL), key=lambda row: row.record),
            episodes=sorted(
                episodes.history(connection, STREAM, _ALL), key=lambda row: row.opened_at
            ),
            proposals=sorted(proposals.listing(connection, STREAM), key=lambda row: row.created_at),
            releases=sorted(releases.history(connection, STREAM), key=lambda row: row.number),
            blocks=scores.series(connection, STREAM, limit=_ALL),
        )
