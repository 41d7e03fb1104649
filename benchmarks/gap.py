"""Benchmark `gap`: what folding a supernet back to one operation an edge costs.

Four ways from the same searched supernet, each with the steps that `bounded` has left: to stay
unfolded (the control), to be folded at once, to be folded while the rest fades; and what an abrupt
fold costs at the moment of folding.
"""

import copy
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from adaptd.search.descent import Descent
from adaptd.search.method import METHODS, GradientMethod
from adaptd.search.trainee import Trainee
from adaptd.search.training import RATE, rate_at
from adaptd.space import Supernet
from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.jobs import run_jobs
from benchmarks.policies import Deployment
from benchmarks.recorded import recorded
from benchmarks.streams import STREAMS, load

_STREAMS: dict[Scale, tuple[str, ...]] = {
    "full": ("rate", "frequency", "lag", "noise", "narrow", "swap-cwru-up", "swap-fsdd-digit"),
    "quick": ("rate", "lag", "noise", "narrow"),
    "smoke": ("rate",),
}
_STEPS: dict[Scale, int] = {"full": 800, "quick": 800, "smoke": 60}

# Points of accuracy that the annealed fold may cost against staying unfolded.
TARGET_POINTS = 0.1

# Ways from the searched supernet to a final network.
ABRUPT, ANNEALED, UNFOLDED = "abrupt-fold", "annealed-fold", "unfolded-control"

Job = tuple[str, int, int, str]


def run(settings: Settings) -> Outcome:
    """Raises MissingDataError without the recorded streams, where one is among those asked for."""
    streams = _STREAMS[settings.scale]
    if any(not STREAMS[stream].synthetic for stream in streams):
        recorded(settings.data, "streams")
    jobs = [
        (stream, seed, _STEPS[settings.scale], str(settings.data))
        for stream in streams
        for seed in settings.seeds
    ]
    rows = run_jobs(measure, jobs, keep=settings.keep)
    gaps = {
        # At once, in the same moment: nothing has been trained in between.
        "abrupt-fold-at-once": fmean(row["searched"] - row["folded-at-once"] for row in rows),
        "abrupt-fold-trained": fmean(row[UNFOLDED] - row[ABRUPT] for row in rows),
        "bounded": fmean(row[UNFOLDED] - row[ANNEALED] for row in rows),
    }
    document: dict[str, Any] = {
        "steps": _STEPS[settings.scale],
        "mean_gap_points": gaps,
        "final_accuracy": {way: fmean(row[way] for row in rows) for way in _WAYS},
        "searched_accuracy": fmean(row["searched"] for row in rows),
        "by_stream": {
            stream: {
                way: fmean(
                    row[way] for row, job in zip(rows, jobs, strict=True) if job[0] == stream
                )
                for way in ("searched", "folded-at-once", *_WAYS)
            }
            for stream in streams
        },
        "target_points": TARGET_POINTS,
        "is_target_met": gaps["bounded"] <= TARGET_POINTS,
    }
    return Outcome(document, partial(_draw, document=document))


def measure(job: Job) -> dict[str, float]:
    """Accuracy in percent after each way, of one stream and seed."""
    stream, seed, steps, data = job
    shift = STREAMS[stream]
    deployment = Deployment.of(
        shift, load(shift, seed=seed, data=Path(data)), seed=seed, steps=steps
    )
    method = METHODS["bounded"]
    assert isinstance(method, GradientMethod)
    problem = deployment.problem()
    split = method.schedule.split(steps)
    generator = torch.Generator().manual_seed(seed)
    supernet = method.opening.open(problem, generator)
    descent = Descent(
        supernet,
        problem.samples,
        method.objective,
        steps=split.search,
        task=problem.task,
        generator=generator,
    )
    while not descent.is_over:
        descent.advance()
    chosen = method.selection.choose(problem, supernet.alphas())
    operations = {edge: chosen.operations[edge] for edge in problem.reopening.groups}
    left = split.fold + split.plain

    def trained(way: str) -> float:
        opened = copy.deepcopy(supernet)
        # The same batches for every way.
        batches = torch.Generator().manual_seed(seed)
        if way != UNFOLDED:
            opened.fold(operations)
            opened.anneal(1.0 if way == ANNEALED else 0.0)
        trainee = Trainee(
            opened,
            problem.samples,
            task=problem.task,
            generator=batches,
            parameters=opened.weight_parameters(),
        )
        while trainee.done < left:
            if way == ANNEALED:
                opened.anneal(max(0.0, 1 - trainee.done / split.fold))
            trainee.advance(rate_at(trainee.done, left, RATE))
        return deployment.accuracy_of(opened)

    return {
        "searched": deployment.accuracy_of(supernet),
        "folded-at-once": deployment.accuracy_of(_folded(supernet, operations)),
        **{way: trained(way) for way in _WAYS},
    }


_WAYS = (UNFOLDED, ABRUPT, ANNEALED)


def _folded(supernet: Supernet, operations: Mapping[str, str]) -> Supernet:
    folded = copy.deepcopy(supernet)
    folded.fold(operations)
    folded.anneal(0)
    return folded


def _draw(path: Path, document: Mapping[str, Any]) -> None:
    by_stream: Mapping[str, Mapping[str, float]] = document["by_stream"]
    figure = Figure(figsize=(10, 4.2), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    ways = ("searched", "folded-at-once", *_WAYS)
    for place, way in enumerate(ways):
        offsets = [stream + (place - 2) * 0.16 for stream in range(len(by_stream))]
        axes.bar(offsets, [of[way] for of in by_stream.values()], width=0.15, label=way)
    axes.set_xticks(range(len(by_stream)), list(by_stream))
    axes.set_ylabel("accuracy after the shift, percent")
    axes.set_title("What folding costs: the supernet as searched, and three ways on", loc="left")
    axes.legend(ncols=3, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    figure.savefig(path)
