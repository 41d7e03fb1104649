"""A demo's store at each of its stages, filled through the registry as the daemon fills it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner, Result

from adaptd.architecture import Architecture
from adaptd.cli.demo_setup import Demo, claim
from adaptd.cli.main import app
from adaptd.clock import FakeClock, SystemClock
from adaptd.registry import alarms, decisions, episodes, progress, proposals, releases, scores
from adaptd.registry.proposals import Proposal
from adaptd.registry.scores import BlockScore
from adaptd.store import checkpoints, epochs
from adaptd.store.checkpoints import Checkpoint
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.stream.scenario import SCENARIOS

STREAM = "lag-shift"
EPISODE = "01EPISODE0000000000000000A"
CHAMPION, CHALLENGER = "c" * 64, "d" * 64
BEFORE = Architecture(
    "adaptd.space.sequence:convnet", {"width": 24}, {"a": "dw k5 d1", "b": "dw k5 d1"}
)
AFTER = BEFORE.with_operations({"b": "dw k9 d4"})
BLOCK = 32
ALARM, TAKE_OVER = 4_224, 8_000

Call = Callable[..., Result]


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture
def call(runner: CliRunner, state: StateDirectory, store: Database) -> Call:
    """Calls `adaptd …` on the state directory of a daemon that has taken the stream up."""
    with store.write() as connection:
        epochs.acquire(connection, stream=STREAM, owner="test", now=SystemClock().now())

    def invoke(*arguments: str) -> Result:
        return runner.invoke(app, [*arguments, "--state", str(state.path)])

    return invoke


@pytest.fixture
def demo() -> Demo:
    return Demo(STREAM, 3)


@pytest.fixture
def state(tmp_path: Path, demo: Demo) -> StateDirectory:
    claim(tmp_path / "state", demo)
    return StateDirectory.open(tmp_path / "state")


@pytest.fixture
def store(state: StateDirectory) -> Iterator[Database]:
    database = Database.open(state.database)
    yield database
    database.close()


@pytest.fixture
def evidence() -> dict[str, Any]:
    return {
        "schema_version": 1,
        "records": 1_024,
        "first_record": 6_500,
        "accuracy": {
            "deployed": 0.27,
            "fine-tuned": 0.31,
            "retrained": 0.35,
            "shrink-perturbed": 0.33,
            "random-neighbour": 0.62,
            "reopened": 0.68,
        },
        "e_value": {
            "fine-tuned": 4.2e9,
            "retrained": 3.1e7,
            "shrink-perturbed": 3.3e7,
            "deployed": 2.2e11,
        },
        "alpha": 0.05,
        "alpha_budget": {"stream": 0.6, "test": 3, "spent_before": 0.45},
        "records_as_one": {"fine-tuned": 1.0, "retrained": 3.21},
        "verdict": "better",
        "champion_architecture": BEFORE.to_document(),
        "challenger_architecture": AFTER.to_document(),
        "edits": ["b: dw k5 d1 becomes dw k9 d4"],
        "macs": {"champion": 200_000, "challenger": 210_000, "cap": 220_000},
        "parameters": {"champion": 3_000, "challenger": 3_226, "cap": None},
        "latency_seconds": {"champion": 0.0002, "challenger": 0.00025, "cap": 0.001},
        "skipped": {"prior-corrected": "its last layer is no linear one"},
        "supernet_memory_ratio": 1.004,
        "trigger": "drift",
        "drift": {"signal": "loss", "record": ALARM, "since_record": 4_010},
        "training_records": [4_010, 5_510],
        "phase_seconds": {"rivals": 9.5, "search": 20.25},
    }


@pytest.fixture
def observed(store: Database, state: StateDirectory, clock: FakeClock) -> Database:
    """Release 1 has observed up to the alarm: right on 30 of 32 before the drift, on 8 after."""
    directory = state.releases(STREAM) / CHAMPION
    directory.mkdir(parents=True)
    _write_model(directory / "model.onnx")
    with store.write() as connection:
        releases.promote(
            connection,
            digest=CHAMPION,
            stream=STREAM,
            architecture=BEFORE,
            contract=SCENARIOS[STREAM].schema.contract(),
            episode_id=None,
            path=directory.relative_to(state.path).as_posix(),
            macs=200_000,
            expected=None,
            now=clock.now(),
        )
    _observe(store, clock, first=2_000, last=ALARM, digest=CHAMPION, drift_at=4_000)
    return store


@pytest.fixture
def alarmed(observed: Database, clock: FakeClock) -> Database:
    """The alarm has come and an episode collects records."""
    clock.advance(1)
    with observed.write() as connection:
        alarms.add(
            connection,
            stream=STREAM,
            signal="loss",
            record=ALARM,
            since_record=4_010,
            statistic=9.5,
            now=clock.now(),
        )
        episodes.open_(
            connection,
            id=EPISODE,
            stream=STREAM,
            trigger={
                "kind": "drift",
                "stream": STREAM,
                "record": ALARM,
                "since_record": 4_010,
                "detail": "loss",
            },
            now=clock.now(),
        )
        progress.report(
            connection,
            stream=STREAM,
            episode_id=EPISODE,
            document={"phase": "collecting", "step": 214, "steps": 1_500, "loss": None},
            now=clock.now(),
        )
    return observed


@pytest.fixture
def proposed(alarmed: Database, evidence: dict[str, Any], clock: FakeClock) -> Proposal:
    """The challenger has passed its trial and awaits a decision."""
    _observe(alarmed, clock, first=ALARM, last=TAKE_OVER, digest=CHAMPION, drift_at=4_000)
    clock.advance(60)
    with alarmed.write() as connection:
        progress.clear(connection, STREAM)
        for step in ("searching", "trial", "proposed"):
            episodes.advance(connection, EPISODE, state=step, now=clock.now())
        return proposals.create(
            connection,
            stream=STREAM,
            episode_id=EPISODE,
            digest=CHALLENGER,
            champion_digest=CHAMPION,
            evidence=evidence,
            created_record=TAKE_OVER,
            now=clock.now(),
        )


@pytest.fixture
def released(alarmed: Database, proposed: Proposal, clock: FakeClock) -> Database:
    """Approved by policy, published, and at work for 320 records."""
    clock.advance(1)
    with alarmed.write() as connection:
        decisions.decide(
            connection,
            proposal_id=proposed.id,
            digest=proposed.digest,
            verdict="approve",
            actor="policy:automatic",
            comment="approval.policy is automatic",
            now=clock.now(),
        )
    clock.advance(1)
    with alarmed.write() as connection:
        proposals.move(
            connection, proposed.id, expected="approved", to="published", now=clock.now()
        )
        releases.promote(
            connection,
            digest=CHALLENGER,
            stream=STREAM,
            architecture=AFTER,
            contract=SCENARIOS[STREAM].schema.contract(),
            episode_id=EPISODE,
            path=f"releases/{STREAM}/{CHALLENGER}",
            macs=210_000,
            expected=CHAMPION,
            now=clock.now(),
        )
        episodes.close(connection, EPISODE, outcome="released", reason=None, now=clock.now())
    _observe(alarmed, clock, first=TAKE_OVER, last=TAKE_OVER + 320, digest=CHALLENGER)
    return alarmed


@pytest.fixture
def finished(released: Database, clock: FakeClock) -> Database:
    """The new release has been seen at work for 2,080 records."""
    _observe(released, clock, first=TAKE_OVER + 320, last=TAKE_OVER + 2_080, digest=CHALLENGER)
    return released


def _observe(
    database: Database,
    clock: FakeClock,
    *,
    first: int,
    last: int,
    digest: str,
    drift_at: int | None = None,
) -> None:
    clock.advance((last - first) / 300)
    rows = [
        BlockScore(
            stream=STREAM,
            block=start // BLOCK,
            first_record=start,
            records=BLOCK,
            hits=8 if drift_at is not None and start >= drift_at else 30,
            loss=0.5,
            release_digest=digest,
            at=clock.now() + timedelta(seconds=start / 300),
        )
        for start in range(first, last, BLOCK)
    ]
    with database.write() as connection:
        scores.add(connection, rows)
        checkpoints.save(connection, Checkpoint(STREAM, {}, {0: last}, last), now=clock.now())


def _write_model(path: Path) -> None:
    scenario = SCENARIOS[STREAM]
    channels, length = scenario.shape
    classes = len(scenario.classes)
    weights = np.random.default_rng(0).normal(size=(channels * length, classes))
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, length])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(weights.astype(np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
