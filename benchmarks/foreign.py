"""Benchmark `foreign`: what is tried around a network of a user's, on shifts of sequences.

As `reopen`, but that every convolution and matrix of the deployed network is an edge by itself, and
that nothing of it was made to be searched around.
"""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.jobs import run_jobs
from benchmarks.policies import Deployment
from benchmarks.reopen import Job, Row, answers, means
from benchmarks.reopen_picture import draw
from benchmarks.streams import STREAMS, load

NETWORK = "benchmarks.foreign_network:detector"

_POLICIES = ("fine-tune", "scratch", "shrink-perturb", "bounded", "random-neighbour", "race")
_STREAMS: dict[Scale, tuple[str, ...]] = {
    "full": (
        "rate", "frequency", "lag", "noise", "narrow", "control-labels", "control-gain",
        "control-mild",
    ),
    "quick": ("rate", "lag", "noise", "narrow", "control-labels"),
    "smoke": ("rate",),
}  # fmt: skip
_STEPS: dict[Scale, int] = {"full": 800, "quick": 400, "smoke": 40}


def run(settings: Settings) -> Outcome:
    """Needs no recorded data."""
    streams = _STREAMS[settings.scale]
    jobs = [
        Job(stream, seed, _POLICIES, _STEPS[settings.scale], str(settings.data))
        for seed in settings.seeds
        for stream in streams
    ]
    measured: dict[str, list[dict[str, Row]]] = {stream: [] for stream in streams}
    for job, rows in zip(jobs, run_jobs(measure, jobs, keep=settings.keep), strict=True):
        measured[job.stream].append({policy: Row(**row) for policy, row in rows.items()})
    document = {
        **means(measured),
        "operations": {
            stream: [rows["bounded"].operations for rows in repetitions]
            for stream, repetitions in measured.items()
        },
    }
    return Outcome(document, partial(draw, document=document))


def measure(job: Job) -> dict[str, Any]:
    """Every policy's row, as a document."""
    shift = STREAMS[job.stream]
    records = load(shift, seed=job.seed, data=Path(job.data))
    deployment = Deployment.of(shift, records, seed=job.seed, steps=job.steps, network=NETWORK)
    return {name: asdict(row) for name, row in answers(deployment, job.policies).items()}
