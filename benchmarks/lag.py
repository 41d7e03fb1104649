"""Benchmark `lag`: how long a record waits to be observed, while nothing else runs and while an
episode trains and searches.

A real daemon as a process of its own, on a topic of 64 numbers a record, with every signal on. How
many records a second it can take is measured first, while they are sent as fast as they can be:
broker and sender are on the same cores, then as later. Then records come at half of that. The wait
of a block is from when its last record was handed to the client that sends it to when the daemon
has observed it. Workers run on the last core alone.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson
import yaml
from kafka import KafkaProducer
from kafka.admin import NewTopic
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from adaptd.clock import SystemClock
from adaptd.registry import episodes, progress, releases, requests, scores
from adaptd.registry.scores import BlockScore
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.broker import admin, apache, jars_in, running

# Records that release 1 is trained on; that come at once; seconds of each measurement; steps of
# each remedy of the episode, which must last for that long.
_SCALES: dict[Scale, tuple[int, int, float, int]] = {
    "full": (2_000, 100_000, 120.0, 20_000),
    "quick": (2_000, 60_000, 40.0, 8_000),
    "smoke": (400, 3_000, 3.0, 2_000),
}
FEATURES = 64
CLASSES = 10
LOAD = 0.5
TARGET_RATIO = 1.5
_STREAM = "measured"
_TOPIC = "lag"
_MESSAGES = 4_096
_TICK_SECONDS = 0.005
# How often new blocks are looked for, and how many of the latest: several times what may have come.
_LOOK_SECONDS, _LOOK_BLOCKS = 2.0, 8_000
# What an episode shows before its worker is at it.
_BEFORE = ("collecting", "waiting")
# Several times what anything takes beside other work; only a daemon that hangs meets it.
_LIMIT_SECONDS = 900.0


def run(settings: Settings) -> Outcome:
    """Raises MissingDataError where there is no Kafka to start."""
    initial, at_once, seconds, steps = _SCALES[settings.scale]
    jars = jars_in(settings.data)
    runs = []
    for seed in settings.seeds:
        with TemporaryDirectory(prefix="adaptd-lag-") as folder:
            directory = Path(folder)
            (directory / "kafka").mkdir()
            with running(apache(jars, directory / "kafka")) as broker:
                client = admin(broker.address)
                client.create_topics([NewTopic(_TOPIC, num_partitions=1, replication_factor=1)])
                client.close()
                runs.append(
                    _measured(
                        broker.address,
                        directory,
                        seed=seed,
                        initial=initial,
                        at_once=at_once,
                        seconds=seconds,
                        steps=steps,
                    )
                )
    ratio = float(np.median([one["p99_ratio"] for one in runs]))
    document = {
        "p99_ratio_searching_to_idle": ratio,
        "runs": [{key: value for key, value in one.items() if key != "waits"} for one in runs],
        "targets": {"p99_ratio_searching_to_idle": [TARGET_RATIO, ratio <= TARGET_RATIO]},
    }
    return Outcome(document, partial(_draw, waits=[one["waits"] for one in runs]))


@dataclass
class Sender:
    """Sends records and remembers when each was handed over. sent: POSIX seconds, a record each."""

    address: str
    seed: int
    sent: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        randomness = np.random.default_rng(self.seed)
        self._producer = KafkaProducer(bootstrap_servers=self.address, linger_ms=1)
        # What is observed does not depend on what the numbers are; but that none repeats for long.
        self._middle = [
            orjson.dumps(randomness.normal(size=FEATURES).round(6).tolist())
            for _ in range(_MESSAGES)
        ]
        self._targets = randomness.integers(0, CLASSES, _MESSAGES)

    def send(self, records: int) -> None:
        for _ in range(records):
            number = len(self.sent)
            now = time.time()
            place = number % _MESSAGES
            self._producer.send(
                _TOPIC,
                b'{"id":"r%d","x":%b,"target":"class-%d","time":%f}'
                % (number, self._middle[place], self._targets[place], now),
            )
            self.sent.append(now)

    def send_at(self, rate: float, *, seconds: float, until: Callable[[], bool]) -> tuple[int, int]:
        """At so many records a second, for so long or until that is true; first and end of the
        numbers of the records that were sent."""
        first, started = len(self.sent), time.monotonic()
        while (passed := time.monotonic() - started) < seconds and not until():
            self.send(max(0, round(passed * rate) - (len(self.sent) - first)))
            time.sleep(_TICK_SECONDS)
        return first, len(self.sent)

    def flush(self) -> None:
        self._producer.flush()

    def close(self) -> None:
        self._producer.close()


def _measured(
    address: str,
    directory: Path,
    *,
    seed: int,
    initial: int,
    at_once: int,
    seconds: float,
    steps: int,
) -> dict[str, Any]:
    sender = Sender(address, seed)
    sender.send(initial)
    sender.flush()
    with _daemon(address, directory, seed=seed, initial=initial, steps=steps) as database:
        sender.send(at_once)
        sender.flush()
        _wait(
            lambda: _observed(database) >= 0.95 * (initial + at_once), "what came at once observed"
        )
        saturation = _saturation(_blocks(database), first=initial, end=initial + at_once)
        rate = LOAD * saturation
        _wait(lambda: _observed(database) >= initial + 0.99 * at_once, "the rest of it")
        log = _BlockLog(database)
        idle = sender.send_at(rate, seconds=seconds, until=log.look)
        with database.write() as connection:
            requests.ask(
                connection,
                stream=_STREAM,
                actor="benchmark",
                reason="",
                is_over_budget=True,
                now=SystemClock().now(),
            )
        # Records go on coming: the episode begins with one.
        is_searching = _Watch(database, log)
        sender.send_at(rate, seconds=_LIMIT_SECONDS, until=is_searching)
        busy = sender.send_at(rate, seconds=seconds, until=lambda: not is_searching())
        phases = sorted(is_searching.phases)
        sender.flush()
        _wait(lambda: _observed(database) >= busy[1] - 64, "all records observed")
        log.take()
    sender.close()
    waits = {
        name: _waits(log.blocks, np.array(sender.sent), first=of[0], end=of[1])
        for name, of in (("idle", idle), ("searching", busy))
    }
    p99 = {name: float(np.percentile(of, 99)) for name, of in waits.items()}
    return {
        "seed": seed,
        "saturation_records_per_second": round(saturation),
        "records": {"idle": idle[1] - idle[0], "searching": busy[1] - busy[0]},
        "p50_seconds": {name: float(np.median(of)) for name, of in waits.items()},
        "p99_seconds": p99,
        "p99_ratio": p99["searching"] / p99["idle"],
        "phases": phases,
        "waits": waits,
    }


class _BlockLog:
    """Blocks as they come: the store keeps the latest only, and these are more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looked = 0.0
        self._found: dict[int, BlockScore] = {}

    def look(self) -> bool:
        """Takes what is new, if it is time to. False: for that nothing ends."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self.take()
        return False

    def take(self) -> None:
        """Takes what is new."""
        self._looked = time.monotonic()
        latest = _blocks(self._database, limit=_LOOK_BLOCKS)
        self._found |= {block.first_record: block for block in latest}

    @property
    def blocks(self) -> tuple[BlockScore, ...]:
        """Oldest first."""
        return tuple(self._found[first] for first in sorted(self._found))


class _Watch:
    """Whether a worker is at it, looked at twice a second. phases: that it has been seen in."""

    def __init__(self, database: Database, log: _BlockLog) -> None:
        self._database = database
        self._log = log
        self._looked = 0.0
        self._is_learning = False
        self.phases: set[str] = set()

    def __call__(self) -> bool:
        self._log.look()
        if time.monotonic() - self._looked > 0.5:
            self._looked = time.monotonic()
            with self._database.read() as connection:
                episode = episodes.active(connection, _STREAM)
                document = progress.latest(connection, _STREAM)
            phase = None if document is None else str(document.get("phase"))
            is_searching = episode is not None and episode.state == "searching"
            self._is_learning = is_searching and phase is not None and phase not in _BEFORE
            if self._is_learning:
                self.phases.add(str(phase))
        return self._is_learning


@contextmanager
def _daemon(
    address: str, directory: Path, *, seed: int, initial: int, steps: int
) -> Iterator[Database]:
    """A daemon that has released; its store."""
    state = StateDirectory.open(directory / "state")
    path, log_path = directory / "config.yaml", directory / "log"
    path.write_text(
        yaml.safe_dump(_document(address, state, seed=seed, initial=initial, steps=steps))
    )
    database = Database.open(state.database)
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "adaptd", "run", "-c", str(path)], stdout=log, stderr=log
        )

    def is_released() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the daemon ended:\n{log_path.read_text()[-2_000:]}")
        with database.read() as connection:
            return bool(releases.history(connection, _STREAM))

    try:
        _wait(is_released, "release 1")
        yield database
    finally:
        process.kill()
        process.wait()
        database.close()


def _document(
    address: str, state: StateDirectory, *, seed: int, initial: int, steps: int
) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    return {
        "state_directory": str(state.path),
        "seed": seed,
        "streams": [
            {
                "name": _STREAM,
                "source": {
                    "kind": "kafka",
                    "bootstrap_servers": [address],
                    "topic": _TOPIC,
                    "group": "lag",
                },
                "record": {
                    "shape": [FEATURES],
                    "classes": [f"class-{place}" for place in range(CLASSES)],
                },
                "initial": {"records": initial, "steps": 50},
                # What the model says is worth nothing: that is no drift.
                "alarm": {"delta": 1e-12, "per_day": 1e-6},
                "episode": {"steps": steps},
            }
        ],
        "workers": {"count": 1, "cores": [cores[-1]]},
        "server": {"enabled": False},
        "metrics": {"port": 0, "host": "127.0.0.1"},
        "log": {"level": "error"},
    }


def _observed(database: Database) -> int:
    blocks = _blocks(database, limit=1)
    return blocks[-1].first_record + blocks[-1].records if blocks else 0


def _blocks(database: Database, *, limit: int = 100_000) -> tuple[BlockScore, ...]:
    with database.read() as connection:
        return tuple(scores.series(connection, _STREAM, limit=limit))


def _saturation(blocks: tuple[BlockScore, ...], *, first: int, end: int) -> float:
    """Records a second over the middle of what came at once."""
    low, high = first + 0.4 * (end - first), first + 0.9 * (end - first)
    own = [block for block in blocks if low <= block.first_record < high]
    seconds = (own[-1].at - own[0].at).total_seconds()
    return (own[-1].first_record - own[0].first_record) / seconds


def _waits(
    blocks: tuple[BlockScore, ...], sent: NDArray[np.float64], *, first: int, end: int
) -> NDArray[np.float64]:
    """Seconds, of each block whose records are all among these."""
    own = [
        block
        for block in blocks
        if block.first_record >= first and block.first_record + block.records <= end
    ]
    last = np.array([block.first_record + block.records - 1 for block in own])
    waits: NDArray[np.float64] = np.array([block.at.timestamp() for block in own]) - sent[last]
    return waits


def _wait(what: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no sign of it within {_LIMIT_SECONDS:.0f} s: {name}")
        time.sleep(0.1)


def _draw(path: Path, *, waits: list[dict[str, NDArray[np.float64]]]) -> None:
    """The share of blocks that waited longer, idle and searching, a line for each run."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, of in enumerate(waits):
        for name, colour in (("idle", "tab:blue"), ("searching", "tab:orange")):
            ordered = np.sort(of[name])
            beyond = 1 - np.arange(len(ordered)) / len(ordered)
            axes.plot(
                1e3 * ordered, beyond, color=colour, alpha=0.7, label=None if number else name
            )
    axes.axhline(0.01, color="tab:gray", linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="milliseconds from sent to observed")
    axes.set_ylabel("share of blocks that waited longer")
    axes.legend()
    figure.savefig(path, dpi=150)
