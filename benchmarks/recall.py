"""Benchmark `recall`: how soon a model is back once the concept that it fitted has returned.

A daemon under the policy `automatic`: one concept, another one that it answers with a new release,
and the first one again, in records of their own.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from adaptd.daemon.dossier import proposed
from adaptd.observer.predictor import Predictor
from adaptd.registry.scores import BlockScore
from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.jobs import run_jobs
from benchmarks.live import Live, Watched
from benchmarks.live import run as run_live
from benchmarks.live.feed import joined, part
from benchmarks.recorded import recorded
from benchmarks.streams import STREAMS, load

_STREAMS: dict[Scale, tuple[str, ...]] = {
    "full": ("rate", "frequency", "lag", "noise", "swap-cwru-up"),
    "quick": ("rate", "lag"),
    "smoke": ("rate",),
}
_STEPS: dict[Scale, int] = {"full": 800, "quick": 400, "smoke": 40}

# Of the first concept: what release 1 is trained on, what it is watched on, and what returns.
_INITIAL = 2_500
_WATCHED = 1_000
# Within so many records of the return, so near to its old accuracy.
WITHIN_RECORDS = 500
WITHIN_POINTS = 1.0

Job = tuple[str, int, int, str]


def run(settings: Settings) -> Outcome:
    """Raises MissingDataError without the recorded streams, where one is among those asked for."""
    streams = _STREAMS[settings.scale]
    if any(not STREAMS[stream].synthetic for stream in streams):
        recorded(settings.data, "streams")
    jobs = [
        (stream, seed, _STEPS[settings.scale], str(settings.data))
        for seed in settings.seeds
        for stream in streams
    ]
    rows = run_jobs(measure, jobs, keep=settings.keep)
    runs = [{"stream": job[0], "seed": job[1], **row} for job, row in zip(jobs, rows, strict=True)]
    # Where nothing was released for the second concept there is nothing to come back from.
    away = [row for row in runs if row["was_replaced"]]
    back = [row["back_after_records"] for row in away if row["back_after_records"] is not None]
    document = {
        "runs": runs,
        "replaced": len(away),
        "recalled": len(back),
        "median_back_after_records": median(back) if back else None,
        "lost_points": {
            stream: fmean(row["lost_points"] for row in of)
            for stream in streams
            if (of := [row for row in away if row["stream"] == stream])
        },
        "targets": {
            "back_within_records": {
                "target": WITHIN_RECORDS,
                "measured": max(back, default=None),
                "is_met": len(back) == len(away) and max(back, default=0) <= WITHIN_RECORDS,
            },
            "points_below_its_old_accuracy": {
                "target": WITHIN_POINTS,
                "measured": max((row["lost_points"] for row in away), default=None),
                "is_met": all(row["lost_points"] <= WITHIN_POINTS for row in away),
            },
        },
    }
    return Outcome(document, partial(_draw, document=document))


def measure(job: Job) -> dict[str, Any]:
    """One stream and seed. lost_points: by which the accuracy from 500 records after the return on
    lies below that of release 1 on the very same records. curve: per block since the return."""
    name, seed, steps, data = job
    shift = STREAMS[name]
    drawn = load(shift, seed=seed, data=Path(data))
    old = joined(drawn.before, drawn.before_check)
    first = min(_INITIAL, len(old) // 2)
    watched = min(_WATCHED, len(old) // 4)
    returning = part(old, first + watched, len(old))
    leaves = first + watched
    returns = leaves + len(drawn.after) + len(drawn.after_test)
    live = Live(
        shift=shift,
        records=joined(part(old, 0, leaves), drawn.after, drawn.after_test, returning),
        initial=first,
        steps=steps,
        seed=seed,
        ends_with_episode=False,
    )
    with TemporaryDirectory(prefix="adaptd-recall-") as directory:
        seen = run_live(live, directory=Path(directory))
        said = Predictor.load(seen.path_of(seen.releases[0])).predict(returning.x).argmax(axis=1)
    return row_of(seen, said == returning.target, returns=returns)


def row_of(seen: Watched, own: NDArray[np.bool_], *, returns: int) -> dict[str, Any]:
    """own: release 1's hits on the records since the return. returns: number of the first."""
    first = seen.releases[0].digest
    until = [block for block in seen.blocks if block.first_record < returns]
    since = [block for block in seen.blocks if block.first_record >= returns]
    late = [block for block in since if block.first_record >= returns + WITHIN_RECORDS]
    if not until or not late:
        raise ValueError("the daemon has not come to the return, or not 500 records beyond it")
    away = until[-1].release_digest
    end = late[-1].first_record + late[-1].records - returns
    old, now = 100 * float(own[WITHIN_RECORDS:end].mean()), _percent(late)
    return {
        "was_replaced": away != first,
        "back_after_records": next(
            (block.first_record - returns for block in since if block.release_digest != away), None
        ),
        "winners": [proposed(proposal.evidence) for proposal in seen.proposals],
        "old_percent": old,
        "percent": now,
        "lost_points": old - now,
        "alarms_after_records": [one.record - returns for one in seen.alarms],
        "outcomes": [one.outcome for one in seen.episodes],
        "curve": [
            [block.first_record - returns, 100 * block.hits / block.records] for block in since
        ],
    }


def _percent(blocks: Sequence[BlockScore]) -> float:
    return 100 * sum(block.hits for block in blocks) / sum(block.records for block in blocks)


def _draw(path: Path, *, document: Mapping[str, Any]) -> None:
    """Accuracy since the return, a line for each run."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    colours: dict[str, str] = {}
    for row in document["runs"]:
        is_new = row["stream"] not in colours
        colour = colours.setdefault(row["stream"], f"C{len(colours)}")
        records, percent = zip(*row["curve"], strict=True)
        label = row["stream"] if is_new else None
        axes.plot(records, percent, color=colour, alpha=0.7, label=label)
    axes.axvline(WITHIN_RECORDS, color="tab:gray", linestyle=":")
    axes.set_xlabel("records since the first concept has returned")
    axes.set_ylabel("accuracy of a block, percent")
    axes.legend()
    figure.savefig(path, dpi=150)
