"""Benchmark `reopen`: every policy on every shift, under the same number of steps.

Weights-only policies keep the deployed architecture. All others may change it; the caps on cost are
those of the deployed model. Beside equal steps, those that took more CPU time than fine-tuning are
run again with as many steps as fit its time.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.jobs import run_jobs
from benchmarks.policies import POLICIES, Answer, Deployment
from benchmarks.policies.policy import answer
from benchmarks.recorded import recorded
from benchmarks.reopen_picture import draw
from benchmarks.reopen_targets import targets
from benchmarks.streams import STREAMS, load

_QUICK_STREAMS = (
    "rate", "lag", "noise", "narrow", "control-mild", "control-labels",
    "swap-cwru-up", "swap-fsdd-digit",
)  # fmt: skip
_STREAMS: dict[Scale, tuple[str, ...]] = {
    "full": tuple(STREAMS),
    "quick": _QUICK_STREAMS,
    "smoke": ("rate", "control-mild"),
}
# What a repetition runs together, all around one champion; first those that matter most, last those
# that take longest.
_CORE = (
    "fine-tune", "scratch", "shrink-perturb", "bounded", "random-neighbour",
    "long-reach", "long-reach-shrunk", "race",
)  # fmt: skip
_FIXED = ("race-of-three", "wide", "multi-scale", "inception")
_POLICIES: dict[Scale, tuple[tuple[str, ...], ...]] = {
    "full": (_CORE, _FIXED, ("darts",), ("darts-5x",)),
    "quick": (_CORE,),
    "smoke": (("fine-tune", "bounded", "race"),),
}
_STEPS: dict[Scale, int] = {"full": 800, "quick": 400, "smoke": 40}

# Policies whose architectures only networks over sequences can have.
_SEQUENCES_ONLY = {
    "long-reach", "long-reach-shrunk", "race-of-three", "wide", "multi-scale", "inception",
}  # fmt: skip
# Policies that are run again with the CPU time of fine-tuning.
_EQUAL_CPU = ("bounded", "race", "darts")
_RESAMPLES = 1_000


@dataclass(frozen=True)
class Job:
    """One repetition of a shift."""

    stream: str
    seed: int
    policies: tuple[str, ...]
    steps: int
    data: str


def run(settings: Settings) -> Outcome:
    """Raises MissingDataError without the recorded streams, where one is among those asked for."""
    streams = _STREAMS[settings.scale]
    if any(not STREAMS[stream].synthetic or STREAMS[stream].kind == "image" for stream in streams):
        recorded(settings.data, "streams")
    # Seed by seed, so that what is kept of an unfinished run covers all streams.
    jobs = [
        Job(stream, seed, policies, _STEPS[settings.scale], str(settings.data))
        for group in _POLICIES[settings.scale]
        for seed in settings.seeds
        for stream in streams
        if (policies := policies_for(stream, group))
    ]
    repetitions: dict[tuple[str, int], dict[str, Row]] = {}
    for job, rows in zip(jobs, run_jobs(measure, jobs, keep=settings.keep), strict=True):
        of = repetitions.setdefault((job.stream, job.seed), {})
        of.update({policy: Row(**row) for policy, row in rows.items() if policy not in of})
    measured = {
        stream: [repetitions[stream, seed] for seed in settings.seeds] for stream in streams
    }
    return Outcome(document := summary(measured), partial(draw, document=document))


@dataclass(frozen=True)
class Row:
    """What one policy came to, as JSON can hold it. hits: which of the records that judged, eight
    to a byte, in base64."""

    accuracy: float
    macs: float
    steps: int
    cpu_seconds: float
    hits: str
    operations: list[str]

    def hit(self) -> NDArray[np.int8]:
        """1 for each record that was right, 0 for others and for some at the end that are none."""
        packed = np.frombuffer(base64.b64decode(self.hits), np.uint8)
        return np.unpackbits(packed).astype(np.int8)


def policies_for(stream: str, policies: Sequence[str]) -> tuple[str, ...]:
    """Those of them that a stream's records allow, and first the one that others are timed by; ()
    where they allow none."""
    allowed = [
        policy
        for policy in policies
        if STREAMS[stream].kind == "sequence" or policy not in _SEQUENCES_ONLY
    ]
    return tuple(dict.fromkeys(("fine-tune", *allowed))) if allowed else ()


def measure(job: Job) -> dict[str, Any]:
    """Every policy's row, as a document; `NAME@cpu` are those with the CPU time of fine-tuning."""
    shift = STREAMS[job.stream]
    records = load(shift, seed=job.seed, data=Path(job.data))
    deployment = Deployment.of(shift, records, seed=job.seed, steps=job.steps)
    rows = answers(deployment, job.policies)
    for name in _EQUAL_CPU:
        if name not in rows:
            continue
        share = rows["fine-tune"].cpu_seconds / rows[name].cpu_seconds
        steps = max(20, int(job.steps * min(1.0, share)))
        again = replace(deployment, steps=steps)
        rows[f"{name}@cpu"] = _row(again, answer(POLICIES[name], again))
    return {name: asdict(row) for name, row in rows.items()}


def answers(deployment: Deployment, policies: Sequence[str]) -> dict[str, Row]:
    """What each comes to, and the deployed network as it is (`left`)."""
    rows = {name: _row(deployment, answer(POLICIES[name], deployment)) for name in policies}
    rows["left"] = Row(
        deployment.accuracy_of(deployment.champion.network),
        1.0,
        0,
        0.0,
        _hits(deployment, deployment.champion.network),
        [],
    )
    return rows


def summary(measured: Mapping[str, Sequence[Mapping[str, Row]]]) -> dict[str, Any]:
    """Means over seeds, by stream and policy; whether the targets are met."""
    found = means(measured)
    return {
        **found,
        "p_win": {
            stream: {
                policy: _p_win(repetitions, policy)
                for policy in repetitions[0]
                if policy != "bounded"
            }
            for stream, repetitions in measured.items()
        },
        "operations": {
            stream: [rows["bounded"].operations for rows in repetitions]
            for stream, repetitions in measured.items()
        },
        "targets": targets(found["accuracy"], found["macs"], found["accuracy_spread"]),
    }


def means(
    measured: Mapping[str, Sequence[Mapping[str, Row]]],
) -> dict[str, dict[str, dict[str, float]]]:
    """Over seeds, by stream and policy; and how far accuracies spread."""

    def table(figure: str) -> dict[str, dict[str, float]]:
        return {
            stream: {
                policy: fmean(getattr(rows[policy], figure) for rows in repetitions)
                for policy in repetitions[0]
            }
            for stream, repetitions in measured.items()
        }

    return {
        "accuracy": table("accuracy"),
        "macs": table("macs"),
        "steps": table("steps"),
        "cpu_seconds": table("cpu_seconds"),
        "accuracy_spread": {
            stream: {
                policy: pstdev(rows[policy].accuracy for rows in repetitions)
                for policy in repetitions[0]
            }
            for stream, repetitions in measured.items()
        },
    }


def _row(deployment: Deployment, given: Answer) -> Row:
    operations = given.architecture.operations.values() if given.architecture else ()
    return Row(
        given.accuracy,
        given.macs,
        given.steps,
        given.cpu_seconds,
        _hits(deployment, given.network),
        list(operations),
    )


def _hits(deployment: Deployment, network: torch.nn.Module) -> str:
    network.eval()
    with torch.no_grad():
        answers = torch.cat(
            [network(x).argmax(1) for x in torch.split(deployment.after_test.x, 512)]
        )
    hits = (answers == deployment.after_test.target).numpy()
    return base64.b64encode(np.packbits(hits).tobytes()).decode()


def _p_win(repetitions: Sequence[Mapping[str, Row]], policy: str) -> float:
    """Share of resamples, of seeds and of records within them, in which `bounded` has more hits."""
    randomness = np.random.default_rng(0)
    differences = [rows["bounded"].hit() - rows[policy].hit() for rows in repetitions]
    wins = 0
    for _ in range(_RESAMPLES):
        drawn = randomness.integers(len(differences), size=len(differences))
        total = sum(
            int(randomness.choice(differences[place], len(differences[place])).sum())
            for place in drawn
        )
        wins += total > 0
    return wins / _RESAMPLES
