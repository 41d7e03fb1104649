"""What `adaptd drift` replays: a scenario or a recording, its schema, the drifts it knows of."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adaptd.adaptation.search.records import file_schema, is_file, recorded_shape
from adaptd.architecture import Contract
from adaptd.errors import ArtifactError, ConfigError, SourceError
from adaptd.observer.predictor import Predictor
from adaptd.registry.manifest import verify
from adaptd.stream.batch import Batch
from adaptd.stream.replay import ReplaySource
from adaptd.stream.scenario import SCENARIOS
from adaptd.stream.scenario_source import ScenarioSource
from adaptd.stream.schema import Schema
from adaptd.stream.source import Source

_STRIDE = 4_096


@dataclass(frozen=True)
class Release:
    """A release's model, and what it takes and gives."""

    predictor: Predictor
    contract: Contract


def open_release(directory: Path) -> Release:
    """Checked against its manifest. Raises ArtifactError."""
    manifest = verify(directory)
    try:
        contract = Contract.from_document(manifest["contract"])
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"{directory}: no readable contract: {error}") from error
    return Release(Predictor.load(directory, contract), contract)


def open_stream(
    name: str,
    *,
    seed: int,
    drift_at: int,
    records: int,
    shape: tuple[int, ...] | None,
    classes: int | tuple[str, ...] | None,
    release: Release | None,
) -> tuple[Source, tuple[int, ...]]:
    """The source, and the numbers of the first records after each drift that it tells of itself.

    A scenario of so many records, or a file, whose shape and classes are the release's, else those
    given, else what its metadata and columns tell.
    Raises ConfigError for what is neither, or is not described; SourceError for an unreadable file.
    """
    if name in SCENARIOS:
        scenario = SCENARIOS[name]
        if release is not None and release.contract.shape != scenario.shape:
            raise ConfigError(
                f"--release: takes records of shape {list(release.contract.shape)}, "
                f"{name} has {list(scenario.shape)}"
            )
        drifts = scenario.timeline.drifts(drift_at=drift_at, records=records)
        return ScenarioSource(scenario, seed=seed, drift_at=drift_at, records=records), tuple(
            drifts
        )
    if not is_file(name):
        raise ConfigError(
            f"{name!r}: expected a scenario ({', '.join(SCENARIOS)}) or a recording .parquet, "
            ".csv or .jsonl"
        )
    path = Path(name)
    if not path.exists():
        raise SourceError(f"{path}: no such file")
    return ReplaySource(path, _schema(path, shape, classes, release)), _told_drift(path)


def batches(source: Source, *, most: int | None = None) -> Iterator[Batch]:
    """All its records, or the first so many; the source is closed at the end.

    Raises ConfigError where none of them fits, with what is wrong with the first.
    """
    left, is_any, first_reject = most, False, None
    try:
        while left is None or left > 0:
            maximum = _STRIDE if left is None else min(_STRIDE, left)
            poll = source.poll(maximum=maximum, timeout_seconds=0.0)
            if first_reject is None and poll.rejects:
                first_reject = poll.rejects[0]
            if len(poll.batch):
                is_any = True
                yield poll.batch
            if poll.is_exhausted:
                break
            left = None if left is None else left - len(poll.batch)
    finally:
        source.close()
    if first_reject is not None and not is_any:
        raise ConfigError(f"no record fits: {first_reject.reason}: {first_reject.detail}")


def _schema(
    path: Path,
    shape: tuple[int, ...] | None,
    classes: int | tuple[str, ...] | None,
    release: Release | None,
) -> Schema:
    if release is not None:
        contract = release.contract
        return Schema(contract.shape, contract.classes, contract.features)
    told_shape, told_classes = recorded_shape(path)
    shape, classes = shape or told_shape, classes or told_classes
    if path.suffix.lower() == ".parquet" and (shape is None or classes is None):
        columns, largest = _counted(path)
        shape, classes = shape or (columns,), classes or largest + 1
    if shape is None or classes is None:
        missing = " and ".join(
            option
            for option, value in (("--shape", shape), ("--classes", classes))
            if value is None
        )
        raise ConfigError(f"{path}: only a Parquet file tells what its records are; {missing}?")
    return file_schema(shape, classes)


def _counted(path: Path) -> tuple[int, int]:
    """Columns x0 …, and the largest target; at least one of each."""
    try:
        names = pq.read_schema(path).names
        columns = sum(f"x{place}" in names for place in range(len(names)))
        largest = pc.max(pq.read_table(path, columns=["target"])["target"]).as_py()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise SourceError(f"{path}: cannot be read as records: {error}") from error
    if not columns or not isinstance(largest, int):
        raise ConfigError(
            f"{path}: expected columns x0 … and a target of integers, else give --shape and "
            "--classes, such as --classes calm,rough"
        )
    return columns, largest


def _told_drift(path: Path) -> tuple[int, ...]:
    """Where a Parquet file's metadata say that it drifts (key drift_row)."""
    if path.suffix.lower() != ".parquet":
        return ()
    try:
        told: Any = json.loads((pq.read_schema(path).metadata or {}).get(b"drift_row", b"null"))
    except (OSError, ValueError, pa.ArrowException):
        return ()
    return (told,) if isinstance(told, int) else ()
