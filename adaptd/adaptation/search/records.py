"""The labelled records that a search is run on."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adaptd.adaptation.search.job import SearchJob
from adaptd.clock import Clock
from adaptd.config import KafkaSourceConfig, PaceConfig, ScenarioSourceConfig, StreamConfig, load
from adaptd.errors import ConfigError, SourceError
from adaptd.stream.batch import Batch, id_column
from adaptd.stream.opening import open_source, schema_of
from adaptd.stream.recording import FORMATS, format_of
from adaptd.stream.replay import ReplaySource
from adaptd.stream.scenario import SCENARIOS, Scenario, generate
from adaptd.stream.schema import Schema, features_of
from adaptd.stream.source import Source

# Share of the records, the latest, on which the outcome is measured; nothing is trained on them.
HELD_OUT_SHARE = 0.25
# Of a scenario, unless told otherwise: three quarters are the 1,500 that an episode trains on.
SCENARIO_RECORDS = 2_000
# Number of the first record after the drift of a scenario that no configuration describes.
DRIFT_AT = 4_000
# With fewer, a search has too few to split, and too few to be judged by.
FEWEST_RECORDS = 16

# Records asked for at once.
_STRIDE = 4_096
# Seconds that a poll waits, and polls in a row without a record after which a topic that does not
# tell its end has given what it holds.
_SILENCE_SECONDS, _SILENT_POLLS = 5.0, 3


@dataclass(frozen=True, eq=False)
class Recorded:
    """name: of the stream. rejected: records that did not fit the schema and are not in `batch`."""

    name: str
    schema: Schema
    batch: Batch
    rejected: int = 0


def split(batch: Batch) -> tuple[Batch, Batch]:
    """What is trained on, and the later quarter that the outcome is measured on."""
    held_out = max(1, int(HELD_OUT_SHARE * len(batch)))
    return batch[: len(batch) - held_out], batch[len(batch) - held_out :]


def is_file(stream: str) -> bool:
    """Whether STREAM names a recorded file rather than a scenario or a configured stream."""
    try:
        format_of(Path(stream))
    except SourceError:
        return False
    return True


def recorded_shape(path: Path) -> tuple[tuple[int, ...] | None, int | None]:
    """Shape and number of classes that a Parquet file's metadata tell; None for what they do not.

    Keys: shape, such as "3x128 channel-major", and classes, a number.
    """
    if path.suffix.lower() != ".parquet":
        return None, None
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        # Opening it as a source says what is wrong.
        return None, None
    shape = metadata.get(b"shape", b"").decode(errors="replace").split(" ")[0].split("x")
    classes = metadata.get(b"classes", b"").decode(errors="replace")
    return (
        tuple(map(int, shape)) if all(size.isdecimal() for size in shape) else None,
        int(classes) if classes.isdecimal() else None,
    )


def file_schema(shape: Sequence[int], classes: int | Sequence[str]) -> Schema:
    """Of a file. classes: their names, or how many there are: they are the numbers from 0."""
    names = map(str, range(classes)) if isinstance(classes, int) else classes
    return Schema(tuple(shape), tuple(names), features_of(shape[0]))


def configured_stream(job: SearchJob) -> StreamConfig:
    """The stream of the job's configuration, as fast as it can be read.

    Raises ConfigError for a wrong file or a name that is not in it.
    """
    if job.config is None:
        raise ConfigError(
            f"STREAM {job.stream!r}: expected one of {', '.join(SCENARIOS)}, a path that ends in "
            f"{' or '.join(FORMATS)}, or with -c FILE the name of one of its streams"
        )
    streams = {stream.name: stream for stream in load(job.config).streams}
    if job.stream not in streams:
        raise ConfigError(
            f"STREAM {job.stream!r}: {job.config} has no such stream, it has {', '.join(streams)}"
        )
    stream = streams[job.stream]
    source = stream.source
    changes: dict[str, object] = (
        # Another group, so that the daemon's own commits stay what they are; and what is there now
        # is all that is wanted.
        {"group": f"{source.group}-search", "partition_wait_seconds": 0.0}
        if isinstance(source, KafkaSourceConfig)
        else {"pace": PaceConfig()}
    )
    return stream.model_copy(update={"source": source.model_copy(update=changes)})


def known_schema(job: SearchJob) -> Schema | None:
    """What the stream itself tells about its records; None for a file, which may not tell.

    Raises ConfigError where STREAM is no stream.
    """
    if job.config is not None:
        return schema_of(configured_stream(job))
    if job.stream in SCENARIOS:
        return SCENARIOS[job.stream].schema
    if is_file(job.stream):
        return None
    configured_stream(job)
    return None


def read_records(job: SearchJob, schema: Schema, *, clock: Clock) -> Recorded:
    """The job's records, oldest first: after the drift of a scenario, else the latest there are.

    schema: of a file; other streams have their own. Raises ConfigError for too few,
    SourceError or SourceUnavailable where they cannot be read.
    """
    if job.config is not None:
        recorded = _configured(job, clock)
    elif job.stream in SCENARIOS:
        recorded = _generated(
            job.stream, SCENARIOS[job.stream], job.seed, DRIFT_AT, job.records or SCENARIO_RECORDS
        )
    else:
        path = Path(job.stream)
        recorded = _latest(path.stem, ReplaySource(path, schema), job.records)
    if len(recorded.batch) < FEWEST_RECORDS:
        rejected = f" and {recorded.rejected} that do not fit" if recorded.rejected else ""
        raise ConfigError(
            f"STREAM {job.stream!r}: a search needs at least {FEWEST_RECORDS} labelled records, "
            f"got {len(recorded.batch)}{rejected}"
        )
    return recorded


def _configured(job: SearchJob, clock: Clock) -> Recorded:
    stream = configured_stream(job)
    source = stream.source
    if stream.labels is not None and stream.labels.topic is not None:
        raise ConfigError(
            f"STREAM {job.stream!r}: its labels come in a topic of their own, "
            f"{stream.labels.topic}. A search by hand takes records that have theirs: a file of "
            "both, or a topic"
        )
    records = job.records or math.ceil(stream.episode.records / (1 - HELD_OUT_SHARE))
    if isinstance(source, ScenarioSourceConfig):
        if source.records is not None:
            records = min(records, max(0, source.records - source.drift_at))
        scenario = SCENARIOS[source.scenario]
        return _generated(stream.name, scenario, source.seed, source.drift_at, records)
    return _latest(stream.name, open_source(stream, clock=clock), records)


def _generated(name: str, scenario: Scenario, seed: int, drift_at: int, records: int) -> Recorded:
    x, target = generate(scenario, seed=seed, first=drift_at, count=records, drift_at=drift_at)
    numbers = np.arange(drift_at, drift_at + records)
    batch = Batch(
        x=x,
        target=target,
        ids=id_column(numbers),
        timestamps=numbers.astype(np.float64),
        positions=np.stack([np.zeros_like(numbers), numbers], axis=1),
    )
    return Recorded(name, scenario.schema, batch)


def _latest(name: str, source: Source, records: int | None) -> Recorded:
    """The last so many of all there are now, by event time; the source is closed."""
    # By partition: they come in the order in which the topic was written, each in its own.
    held: dict[int, _Tail] = {}
    rejected = silent = 0
    try:
        while True:
            poll = source.poll(maximum=_STRIDE, timeout_seconds=_SILENCE_SECONDS)
            rejected += len(poll.rejects)
            for partition in np.unique(poll.batch.positions[:, 0]).tolist():
                of_partition = poll.batch.where(poll.batch.positions[:, 0] == partition)
                held.setdefault(partition, _Tail(records)).put(of_partition)
            silent = 0 if len(poll.batch) or poll.rejects else silent + 1
            waiting = source.lag()
            is_read = waiting.keys() == poll.positions.keys() and not any(waiting.values())
            if poll.is_exhausted or is_read or silent == _SILENT_POLLS:
                break
    finally:
        source.close()
    if not held:
        return Recorded(name, source.schema, Batch.empty(source.schema.shape), rejected)
    batch = Batch.concatenate([tail.batch for tail in held.values()])
    batch = batch.at(np.argsort(batch.timestamps, kind="stable"))
    return Recorded(name, source.schema, batch if records is None else batch[-records:], rejected)


class _Tail:
    """The latest records of one partition: at least so many, hardly more."""

    def __init__(self, records: int | None) -> None:
        self._records = records
        self._parts: deque[Batch] = deque()
        self._held = 0

    def put(self, batch: Batch) -> None:
        self._parts.append(batch)
        self._held += len(batch)
        while self._records is not None and self._held - len(self._parts[0]) >= self._records:
            self._held -= len(self._parts.popleft())

    @property
    def batch(self) -> Batch:
        return Batch.concatenate(self._parts)
