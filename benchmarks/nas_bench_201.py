"""Benchmark `nas-bench-201`: moves by one edge, judged where the optimum is known.

From random incumbents, every search asks the table of trained cells for their test accuracy and is
judged by the best it has seen. All look at the measure they are judged by, the moves' rivals too:
this says how well a search finds its way among cells, not how well they can be told apart from a
few training steps. The moves' model was chosen on this very table: of the 23 variants tried
(kernels, numbers of parents, ridges) four missed the target on imagenet16, among them both that
moved from the best cell alone. So its figures are those of a method chosen with a view to them.

Beside that the cell is searched itself, by gradients and on a stream of images: `trained_…`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.jobs import run_jobs
from benchmarks.nas201.accuracies import Accuracies, read
from benchmarks.nas201.comparison import METHODS, gaps
from benchmarks.nas201.encoding import from_text
from benchmarks.nas201.picture import draw
from benchmarks.nas201.training import GUARDED, Job, measure
from benchmarks.nas201.training import METHODS as TRAINED
from benchmarks.recorded import recorded

FILE = "nasbench/nas-bench-201-test-accuracy.parquet"

# Random starts of each search: at least so many, the same number for each seed.
INCUMBENTS: dict[Scale, int] = {"full": 200, "quick": 50, "smoke": 10}

# Steps of each search of the cell itself, and repetitions at most.
TRAINED_STEPS: dict[Scale, int] = {"full": 400, "quick": 200, "smoke": 20}
MOST_TRAINED = 3

# Points of accuracy to the optimum that moves may leave on average.
TARGET_POINTS = 0.3


Gaps = Mapping[str, Mapping[str, NDArray[np.float64]]]


def run(settings: Settings) -> Outcome:
    """Raises MissingDataError without the table of cells or the images."""
    tables = read(recorded(settings.data, FILE))
    measured = compare(tables, settings)
    document = {**described(tables, measured), **trained(tables, settings)}
    return Outcome(document, partial(draw, gaps=measured, target=TARGET_POINTS))


def compare(tables: Sequence[Accuracies], settings: Settings) -> Gaps:
    """Dataset -> method -> gap to the optimum in points, [runs, evaluations]."""
    incumbents = math.ceil(INCUMBENTS[settings.scale] / len(settings.seeds))
    return {
        table.dataset: gaps(table, seeds=settings.seeds, incumbents=incumbents) for table in tables
    }


def described(tables: Sequence[Accuracies], measured: Gaps) -> dict[str, Any]:
    """What the comparison came to, as a document."""
    return {
        "incumbents": len(next(iter(measured.values()))["moves"]),
        "target_points": TARGET_POINTS,
        "is_target_met": {
            dataset: bool(by_method["moves"][:, -1].mean() <= TARGET_POINTS)
            for dataset, by_method in measured.items()
        },
        "optimum_percent": {table.dataset: table.optimum for table in tables},
        "gap_points": _by_method(measured, lambda gap: float(gap[:, -1].mean())),
        "gap_points_standard_error": _by_method(
            measured, lambda gap: float(gap[:, -1].std(ddof=1) / np.sqrt(len(gap)))
        ),
        "share_within_target": _by_method(
            measured, lambda gap: float((gap[:, -1] <= TARGET_POINTS).mean())
        ),
        "evaluations": {
            method: float(np.mean([by_method[method].shape[1] for by_method in measured.values()]))
            for method in METHODS
        },
        "evaluations_until_mean_within_target": _by_method(measured, _first_within),
    }


def trained(tables: Sequence[Accuracies], settings: Settings) -> dict[str, Any]:
    """The cell searched on images: figure -> method -> whether guarded -> mean over seeds.

    trained_oracle_percent: of the found cells, trained by the table's own authors on CIFAR-10.
    """
    recorded(settings.data, "streams")
    (oracle,) = [table.by_cell for table in tables if table.dataset == "cifar10"]
    jobs = [
        Job(method, is_guarded, seed, TRAINED_STEPS[settings.scale], str(settings.data))
        for method in TRAINED
        for is_guarded in (False, True)
        for seed in settings.seeds[:MOST_TRAINED]
    ]
    found: dict[str, Any] = {}
    for job, row in zip(jobs, run_jobs(measure, jobs, keep=settings.keep), strict=True):
        row["oracle_percent"] = oracle[from_text(row["cell"])]
        for figure, value in row.items():
            of_method = found.setdefault(f"trained_{figure}", {}).setdefault(job.method, {})
            of_method.setdefault(GUARDED[job.is_guarded], []).append(value)
    return {
        figure: {
            method: {
                guarded: values if figure == "trained_cell" else fmean(values)
                for guarded, values in of_method.items()
            }
            for method, of_method in by_method.items()
        }
        for figure, by_method in found.items()
    }


def _by_method(
    measured: Gaps,
    figure: Callable[[NDArray[np.float64]], float | None],
) -> dict[str, dict[str, Any]]:
    """A figure of each [runs, evaluations], by method and dataset."""
    return {
        method: {dataset: figure(by_method[method]) for dataset, by_method in measured.items()}
        for method in METHODS
    }


def _first_within(gap: NDArray[np.float64]) -> int | None:
    """Evaluations after which the mean gap is within the target; None if it never is."""
    is_within = gap.mean(axis=0) <= TARGET_POINTS
    return int(is_within.argmax()) + 1 if is_within.any() else None
