"""Benchmark `time`: CPU seconds to the accuracy of full DARTS and retraining.

DARTS searches from nothing, every candidate by itself, and retrains what it chose. `bounded` is
run under budgets that double until it is as accurate: its time is that of the first which is.
"""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from adaptd.search.method import search
from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.jobs import run_jobs
from benchmarks.policies import Deployment
from benchmarks.recorded import recorded
from benchmarks.streams import STREAMS, load

_STREAMS: dict[Scale, tuple[str, ...]] = {
    "full": ("rate", "frequency", "lag", "noise", "swap-cwru-up"),
    "quick": ("rate", "lag", "noise"),
    "smoke": ("rate",),
}
# Of DARTS, search and retraining together: it starts from nothing, so five times a reopening's.
_DARTS_STEPS: dict[Scale, int] = {"full": 4_000, "quick": 4_000, "smoke": 80}
# Budgets of `bounded`, in steps.
_BUDGETS: dict[Scale, tuple[int, ...]] = {
    "full": (50, 100, 200, 400, 800, 1_600),
    "quick": (50, 100, 200, 400, 800),
    "smoke": (20, 40),
}

TARGET = 10.0

Job = tuple[str, int, Scale, str]


def run(settings: Settings) -> Outcome:
    """Raises MissingDataError without the recorded streams, where one is among those asked for."""
    streams = _STREAMS[settings.scale]
    if any(not STREAMS[stream].synthetic for stream in streams):
        recorded(settings.data, "streams")
    jobs = [
        (stream, seed, settings.scale, str(settings.data))
        for stream in streams
        for seed in settings.seeds
    ]
    rows = run_jobs(measure, jobs, keep=settings.keep)
    # A run that never got there counts with the time of its largest budget: no better than that.
    speedups = [row["darts_cpu_seconds"] / row["bounded_cpu_seconds"] for row in rows]
    document: dict[str, Any] = {
        "speedup": median(speedups),
        "speedup_lowest": min(speedups),
        "speedup_highest": max(speedups),
        "reached": sum(row["is_reached"] for row in rows),
        "runs": [
            {"stream": job[0], "seed": job[1], **row} for job, row in zip(jobs, rows, strict=True)
        ],
        "target": TARGET,
        "is_target_met": median(speedups) >= TARGET and all(row["is_reached"] for row in rows),
    }
    return Outcome(document, partial(_draw, document=document))


def measure(job: Job) -> dict[str, Any]:
    """One stream and seed."""
    stream, seed, scale, data = job
    shift = STREAMS[stream]
    records = load(shift, seed=seed, data=Path(data))
    deployment = Deployment.of(shift, records, seed=seed, steps=_DARTS_STEPS[scale])
    goal, darts_seconds = _timed(deployment, "darts-1st", _DARTS_STEPS[scale])
    curve = []
    for steps in _BUDGETS[scale]:
        accuracy, seconds = _timed(deployment, "bounded", steps)
        curve.append({"steps": steps, "accuracy": accuracy, "cpu_seconds": seconds})
        if accuracy >= goal:
            break
    return {
        "darts_accuracy": goal,
        "darts_cpu_seconds": darts_seconds,
        "bounded_accuracy": curve[-1]["accuracy"],
        "bounded_cpu_seconds": curve[-1]["cpu_seconds"],
        "is_reached": bool(curve[-1]["accuracy"] >= goal),
        "bounded": curve,
    }


def _timed(deployment: Deployment, method: str, steps: int) -> tuple[float, float]:
    problem = deployment.problem(steps)
    started = time.process_time()
    found = search(problem, method)
    seconds = time.process_time() - started
    if found is None:
        raise RuntimeError("a search that is not paused ends")
    return deployment.accuracy_of(found.network), seconds


def _draw(path: Path, document: Mapping[str, Any]) -> None:
    figure = Figure(figsize=(9, 4.2), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, row in enumerate(document["runs"]):
        colour = f"C{place % 10}"
        label = f"{row['stream']} {row['seed']}"
        axes.plot(
            [one["cpu_seconds"] for one in row["bounded"]],
            [one["accuracy"] for one in row["bounded"]],
            "o-",
            color=colour,
            label=label,
        )
        axes.plot(row["darts_cpu_seconds"], row["darts_accuracy"], "x", color=colour, ms=9)
    axes.set_xscale("log")
    axes.set_xlabel("CPU seconds")
    axes.set_ylabel("accuracy after the shift, percent")
    axes.set_title("bounded under growing budgets (dots) and full DARTS (crosses)", loc="left")
    axes.legend(frameon=False, fontsize=8, ncols=2)
    figure.savefig(path)
