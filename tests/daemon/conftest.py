"""One stream's loop in this process: a scripted executor, records in memory, models of one line."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from adaptd.adaptation.executor import Handle, Report
from adaptd.adaptation.job import (
    FINE_TUNED,
    INITIAL,
    NEIGHBOUR,
    PRIOR_CORRECTED,
    RECALIBRATED,
    REOPENED,
    RETRAINED,
    SHRUNK,
    WIDENED,
    WIDER,
    Job,
    Member,
    Progress,
    Result,
)
from adaptd.adaptation.trigger import TriggerQueue
from adaptd.architecture import Architecture
from adaptd.architecture.contract import OPSET
from adaptd.clock import FakeClock
from adaptd.config import StreamConfig
from adaptd.daemon.context import StreamContext
from adaptd.daemon.ledger import Ledger
from adaptd.daemon.stream_loop import StreamLoop
from adaptd.store import epochs
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.stream.batch import Batch, id_column
from adaptd.stream.delayed_labels import DelayedLabels
from adaptd.stream.reject import Reject
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll
from adaptd.telemetry import Metrics

STREAM = "s"
SCHEMA = Schema(shape=(2, 1), classes=("minus", "plus"), features=("left", "right"))
DRIFT_AT = 700

# Which of the two channels a member's answer follows; after the drift the right one is right.
FOLLOWS = {
    INITIAL: 0,
    PRIOR_CORRECTED: 0,
    RECALIBRATED: 0,
    FINE_TUNED: 0,
    RETRAINED: 0,
    SHRUNK: 0,
    NEIGHBOUR: 0,
    REOPENED: 1,
    WIDENED: 0,
    WIDER: 1,
}

BEFORE = Architecture("acme.models:sign", {}, {"edge": "left"})
AFTER = BEFORE.with_operations({"edge": "right"})


def records(first: int, count: int, *, drift_at: int = DRIFT_AT) -> Batch:
    """The class is the sign of one channel: of the left one before the drift, then the right."""
    numbers = np.arange(first, first + count)
    x = np.random.default_rng(0).standard_normal((20_000, 2, 1))[numbers].astype(np.float32)
    channel = np.where(numbers < drift_at, 0, 1)
    target = (x[np.arange(count), channel, 0] > 0).astype(np.int64)
    return Batch(
        x=x,
        target=target,
        ids=id_column(numbers.tolist()),
        timestamps=numbers.astype(np.float64),
        positions=np.stack([np.zeros(count, np.int64), numbers], axis=1),
    )


def write_model(directory: Path, *, channel: int) -> None:
    """The three files of a release: the logits are minus and plus one channel's value."""
    directory.mkdir(parents=True)
    weights = np.zeros((2, 2), np.float32)
    weights[channel] = (-4, 4)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        ],
        "sign",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.save(model, str(directory / "model.onnx"))
    (directory / "weights.safetensors").write_bytes(f"channel {channel}".encode())
    architecture = BEFORE if channel == 0 else AFTER
    (directory / "architecture.json").write_text(architecture.to_json())


@dataclass
class ScriptedExecutor:
    """Does one stream's jobs at once, without learning. `errors`: raised by the next questions, one
    each."""

    jobs: list[Job] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    follows: Mapping[str, int] = field(default_factory=lambda: FOLLOWS)
    refused: str | None = None
    # Members that take so many parameters, and so many seconds for a prediction; others take 4 and
    # a millisecond.
    # Member -> why it cannot be had.
    skips: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)
    latency_seconds: Mapping[str, float] = field(default_factory=dict)
    is_running: bool = False
    spent_seconds: float = 0.0
    # Of each job.
    costs_seconds: float = 0.0

    def start(self, job: Job, *, wall_seconds: float) -> Handle:
        assert not self.is_running
        assert wall_seconds > 0
        self.jobs.append(job)
        self.is_running = True
        return Handle(len(self.jobs))

    def progress(self, handle: Handle) -> Report:
        assert self.is_running
        assert handle == len(self.jobs)
        self.is_running = False
        self.spent_seconds += self.costs_seconds
        if self.errors:
            raise self.errors.pop(0)
        job = self.jobs[-1]
        asked = {"job": job.digest, "epoch": job.epoch}
        result = self._result(job).model_copy(update=asked)
        return Report(Progress(phase="search", step=1, steps=1), result)

    def cpu_seconds(self, stream: str) -> float:
        assert all(job.stream == stream for job in self.jobs)
        return self.spent_seconds

    def cancel(self, handle: Handle) -> None:
        assert handle <= len(self.jobs)
        self.is_running = False

    def _result(self, job: Job) -> Result:
        if job.kind == "adapt" and self.refused is not None:
            return Result(refused=self.refused)
        names = [INITIAL] if job.kind == "initial" else []
        if job.kind == "adapt" and {"prior", "weights"} & set(job.rungs):
            names += [PRIOR_CORRECTED]
        if job.kind == "adapt" and "weights" in job.rungs:
            names += [RECALIBRATED, FINE_TUNED, RETRAINED, SHRUNK]
        if job.kind == "adapt" and "reopen" in job.rungs:
            names += [NEIGHBOUR, REOPENED]
        if job.kind == "adapt" and "wider" in job.rungs:
            names += [WIDENED, WIDER]
        names = [name for name in names if name not in self.skips]
        members = {}
        for name in names:
            channel = self.follows[name]
            write_model(job.output / name, channel=channel)
            members[name] = Member(
                architecture=(BEFORE if channel == 0 else AFTER).to_document(),
                macs=100,
                parameters=self.parameters.get(name, 4),
                latency_seconds=self.latency_seconds.get(name, 0.001),
                champion_latency_seconds=0.0005,
                steps=0 if name == PRIOR_CORRECTED else job.steps,
                seconds=1.0,
                directory=name,
            )
        parameters = None if job.kind == "initial" else 3
        if not {REOPENED, WIDER} & set(members):
            return Result(members=members, champion_parameters=parameters, skipped=dict(self.skips))
        return Result(
            members=members,
            champion_parameters=parameters,
            alphas={"cell": {"left": 0.2, "right": 0.8}},
            concentrations={"cell": {"left": 0.2, "right": 0.8}},
            supernet_memory_ratio=1.0,
        )


def weight_of(batch: Batch) -> NDArray[np.float32]:
    """Of records that weigh differently: 0.5 to 3.5, by their number."""
    return (batch.positions[:, 1] % 7 / 2 + 0.5).astype(np.float32)


@dataclass
class MemorySource:
    """Generated records, so many a poll; `rejects` come with the next one."""

    drift_at: int = DRIFT_AT
    ends_at: int = 20_000
    poll_records: int = 48
    next: int = 0
    rejects: list[Reject] = field(default_factory=list)
    error: Exception | None = None
    is_closed: bool = False
    schema: Schema = SCHEMA
    # From that record on, records say that somebody's model answers wrong; None: they say nothing.
    deployed_fails_at: int | None = None
    # From that record on, one class in five is another one: nobody can be right there.
    blurred_from: int | None = None
    # From that record on, the classes are exchanged.
    swapped_from: int | None = None
    # From that record on, the left channel gives one value, so many records long.
    stuck: tuple[int, int] | None = None
    # From that record on, both channels are three times as large: no sign changes.
    scaled_from: int | None = None
    # Whether each record weighs as `weight_of` says.
    is_weighted: bool = False

    def seek(self, positions: Mapping[int, int]) -> None:
        self.next = positions.get(0, 0)

    def poll(self, *, maximum: int, timeout_seconds: float) -> Poll:  # noqa: ARG002  (never waits)
        if self.error is not None:
            raise self.error
        count = min(maximum, self.poll_records, self.ends_at - self.next)
        batch = records(self.next, count, drift_at=self.drift_at)
        if self.swapped_from is not None:
            is_swapped = batch.positions[:, 1] >= self.swapped_from
            batch = replace(batch, target=np.where(is_swapped, 1 - batch.target, batch.target))
        if self.scaled_from is not None:
            scale = np.where(batch.positions[:, 1] >= self.scaled_from, 3, 1).astype(np.float32)
            batch = replace(batch, x=batch.x * scale[:, None, None])
        if self.stuck is not None:
            numbers = batch.positions[:, 1]
            is_stuck = (numbers >= self.stuck[0]) & (numbers < sum(self.stuck))
            x = batch.x.copy()
            x[is_stuck, 0] = 3
            batch = replace(batch, x=x)
        if self.blurred_from is not None:
            numbers = batch.positions[:, 1]
            is_blurred = (numbers >= self.blurred_from) & (numbers % 5 == 0)
            batch = replace(batch, target=np.where(is_blurred, 1 - batch.target, batch.target))
        if self.is_weighted:
            batch = replace(batch, weight=weight_of(batch))
        self.next += count
        rejects, self.rejects = tuple(self.rejects), []
        prediction = None
        if self.deployed_fails_at is not None:
            is_wrong = batch.positions[:, 1] >= self.deployed_fails_at
            prediction = np.where(is_wrong, 1 - batch.target, batch.target)
        return Poll(
            batch,
            rejects,
            {0: self.next},
            is_exhausted=self.next == self.ends_at,
            prediction=prediction,
        )

    def lag(self) -> Mapping[int, int]:
        return {0: self.ends_at - self.next}

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Running:
    """A loop and all that it works with; `again` is what a restart after a kill has."""

    context: StreamContext
    source: MemorySource
    executor: ScriptedExecutor
    clock: FakeClock
    loop: StreamLoop

    def step(self) -> None:
        self.loop.step(timeout_seconds=0)
        self.clock.advance(0.3)

    def until(self, is_reached: Callable[[], bool], *, rounds: int = 1_000) -> None:
        for _ in range(rounds):
            if is_reached():
                return
            self.step()
        raise AssertionError("not reached")

    def again(self, **changes: Any) -> "Running":
        """Another process on the same store: nothing of this one's memory is left."""
        source = replace(self.source, rejects=[], error=None, is_closed=False, next=0)
        executor = replace(self.executor, jobs=[], errors=[], is_running=False, spent_seconds=0.0)
        config = self.context.config.model_copy(update=changes)
        context = self.context
        return start(
            context.state,
            context.database,
            self.clock,
            config=config,
            source=source,
            executor=executor,
            is_shared=context.is_shared,
        )


def start(
    state: StateDirectory,
    database: Database,
    clock: FakeClock,
    *,
    config: StreamConfig,
    source: MemorySource,
    executor: ScriptedExecutor,
    is_shared: bool = False,
) -> Running:
    with database.write() as connection:
        epoch = epochs.acquire(connection, stream=STREAM, owner="test", now=clock.now())
    context = StreamContext(
        config=config,
        seed=0,
        state=state,
        database=database,
        ledger=Ledger(STREAM, epoch),
        queue=TriggerQueue(),
        executor=executor,
        clock=clock,
        metrics=Metrics(),
        is_shared=is_shared,
    )
    labels = None
    if config.labels is not None:
        # The same records once more, as for a recorded stream.
        again = replace(source, next=0, poll_records=10_000, error=None, rejects=[])
        labels = DelayedLabels(again, delay_records=config.labels.delay_records or 1)
    loop = StreamLoop(context, source=source, labels=labels)
    return Running(context, source, executor, clock, loop)


LoopMaker = Callable[..., Running]


@pytest.fixture
def loop(tmp_path: Path, clock: FakeClock) -> Iterator[LoopMaker]:
    """Makes a running loop; keywords take the place of sections of its configuration."""
    with loops(tmp_path / "state", clock) as make:
        yield make


@contextmanager
def loops(directory: Path, clock: FakeClock) -> Iterator[LoopMaker]:
    """As the fixture `loop`, with its state in a directory."""
    state = StateDirectory.open(directory)
    # Quick to say that the store is taken: one test takes it.
    database = Database.open(state.database, busy_timeout_seconds=0.05)

    def make(
        source: MemorySource | None = None, *, is_shared: bool = False, **changes: Any
    ) -> Running:
        config = StreamConfig.model_validate(
            {
                "name": STREAM,
                "source": {"kind": "scenario"},
                "window_records": 2_000,
                "initial": {"records": 200},
                "alarm": {"block_records": 16},
                "episode": {"records": 200, "minimum_records": 100},
                "trial": {"minimum_records": 64, "maximum_records": 512},
                "approval": {"policy": "automatic"},
                **changes,
            }
        )
        return start(
            state,
            database,
            clock,
            config=config,
            source=source or MemorySource(),
            executor=ScriptedExecutor(),
            is_shared=is_shared,
        )

    yield make
    database.close()
