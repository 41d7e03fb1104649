"""A small labelled stream and the jobs that learn from it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adaptd.adaptation.job import INITIAL, Job, Member
from adaptd.adaptation.rungs import perform
from adaptd.architecture import Architecture, Contract
from adaptd.clock import FakeClock
from adaptd.registry import artifact
from adaptd.stream.batch import Batch, id_column
from adaptd.stream.scenario import SCENARIOS, generate
from adaptd.stream.segment import write_segment

SCENARIO = "lag-shift"

JobMaker = Callable[..., Job]


def records(count: int, *, drift_at: int = 10**6, seed: int = 0) -> Batch:
    x, y = generate(SCENARIOS[SCENARIO], seed=seed, first=0, count=count, drift_at=drift_at)
    offsets = np.arange(count)
    return Batch(
        x=x,
        target=y,
        ids=id_column(offsets.tolist()),
        timestamps=offsets.astype(np.float64),
        positions=np.stack([np.zeros(count, np.int64), offsets], axis=1),
    )


def released(first: Job) -> tuple[Member, Path, str]:
    """What an initial job makes, as a release: the model, its directory and its digest."""
    member = perform(first, lambda _progress: None).members[INITIAL]
    champion = first.output / member.directory
    digest = artifact.seal(
        champion,
        stream="sensors",
        contract=Contract.from_document(first.contract),
        architecture=Architecture.from_document(member.architecture),
        parent=None,
        episode=None,
        evidence={},
        now=FakeClock().now(),
    )
    return member, champion, digest


@pytest.fixture
def job(tmp_path: Path) -> JobMaker:
    """Makes an initial job on so many records; keywords take the place of its fields."""

    def make(count: int = 400, *, drift_at: int = 10**6, **fields: object) -> Job:
        scenario = SCENARIOS[SCENARIO]
        contract = scenario.schema.contract()
        digest, path = write_segment(tmp_path / "records", records(count, drift_at=drift_at))
        return Job.model_validate(
            {
                "kind": "initial",
                "stream": "sensors",
                "seed": 7,
                "architecture": Architecture(
                    "adaptd.space.sequence:convnet",
                    {"in_channels": 1, "classes": len(scenario.classes), "width": 8},
                ).to_document(),
                "operation": "dw k3 d1",
                "contract": contract.to_document(),
                "records": path,
                "records_digest": digest,
                "output": tmp_path / "members",
                "steps": 20,
                **fields,
            }
        )

    return make
