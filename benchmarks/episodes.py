"""Benchmark `episodes`: whole episodes of the daemon, and what its gate lets through.

A daemon deploys a model, meets a drift, and is left to itself under the policy `automatic`. What it
has released, and all that was tried beside it, is judged on records that none of them has seen, in
training or trial. Every remedy has the same steps.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from adaptd.adaptation.job import NEIGHBOUR
from adaptd.adaptation.trial import WEIGHTS_ONLY
from adaptd.daemon.dossier import proposed
from adaptd.observer.predictor import Predictor
from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.jobs import run_jobs
from benchmarks.live import Live, Watched
from benchmarks.live import run as run_live
from benchmarks.live.feed import joined, part
from benchmarks.recorded import recorded
from benchmarks.streams import STREAMS, Samples, load

_STREAMS: dict[Scale, tuple[str, ...]] = {
    "full": tuple(STREAMS),
    "quick": (
        "rate", "lag", "noise", "defocus", "control-mild", "swap-cwru-up", "swap-fsdd-digit",
    ),
    "smoke": ("rate",),
}  # fmt: skip
_STEPS: dict[Scale, int] = {"full": 800, "quick": 400, "smoke": 40}
# Records that release 1 is trained on; what is left of the old concept is watched.
_INITIAL = 3_000
# Records of the new concept that nobody sees before the end.
_JUDGING = 1_500

# Streams in which another architecture matters, and in which it does not pay.
MATTERS = ("rate", "frequency", "lag", "noise", "narrow")
REACH = ("swap-cwru-up", "swap-sis-up")
DOES_NOT_PAY = (
    "defocus", "rotation", "swap-fsdd-digit", "control-swap-cwru-load", "control-labels",
    "control-gain", "control-mild", "control-tabular",
)  # fmt: skip
GAIN_POINTS, REACH_POINTS = 8.0, 2.0
# Points that two models may differ by on so many records without one being the better one.
NOISE_POINTS = 1.0
NEEDLESS_SHARE = 0.05

# stream, seed, steps, data
Job = tuple[str, int, int, str]


def run(settings: Settings) -> Outcome:
    """Raises MissingDataError without the recorded streams, where one is among those asked for."""
    streams = _STREAMS[settings.scale]
    if any(not STREAMS[stream].synthetic or STREAMS[stream].kind == "image" for stream in streams):
        recorded(settings.data, "streams")
    jobs = [
        (stream, seed, _STEPS[settings.scale], str(settings.data))
        for seed in settings.seeds
        for stream in streams
    ]
    rows = run_jobs(measure, jobs, keep=settings.keep)
    by_stream: dict[str, list[dict[str, Any]]] = {stream: [] for stream in streams}
    for job, row in zip(jobs, rows, strict=True):
        by_stream[job[0]].append(row)
    document = {
        "accuracy": {
            stream: {
                name: fmean(row["accuracy"][name] for row in of if name in row["accuracy"])
                for name in dict.fromkeys(name for row in of for name in row["accuracy"])
            }
            for stream, of in by_stream.items()
        },
        "gate": {stream: [row["gate"] for row in of] for stream, of in by_stream.items()},
        "winners": {stream: [row["winner"] for row in of] for stream, of in by_stream.items()},
        "runs": by_stream,
        "targets": targets(by_stream),
    }
    return Outcome(document, partial(_draw, document=document))


def measure(job: Job) -> dict[str, Any]:
    """One stream and seed: accuracy in percent of the model that was deployed before (`left`), of
    every network of the trial, and of what the daemon has deployed at the end (`released`)."""
    name, seed, steps, data = job
    shift = STREAMS[name]
    drawn = load(shift, seed=seed, data=Path(data))
    shown = len(drawn.after_test) - _JUDGING
    live = Live(
        shift=shift,
        records=joined(
            drawn.before, drawn.before_check, drawn.after, part(drawn.after_test, 0, shown)
        ),
        initial=min(_INITIAL, len(drawn.before)),
        steps=steps,
        seed=seed,
    )
    judging = part(drawn.after_test, shown, len(drawn.after_test))
    drift = len(drawn.before) + len(drawn.before_check)
    with TemporaryDirectory(prefix="adaptd-episodes-") as directory:
        watched = run_live(live, directory=Path(directory))
        return row_of(watched, judging, drift=drift)


def row_of(watched: Watched, judging: Samples, *, drift: int) -> dict[str, Any]:
    """drift: number of the first record of the new concept."""
    first, last = watched.releases[0], watched.releases[-1]
    accuracy = {
        "left": accuracy_of(watched.path_of(first), judging),
        "released": accuracy_of(watched.path_of(last), judging),
    }
    row: dict[str, Any] = {
        "accuracy": accuracy,
        "alarm_after_records": [one.record - drift for one in watched.alarms],
        "gate": "no alarm" if not watched.alarms else "no end",
        "winner": None,
        "changed": last.architecture != first.architecture,
        "rungs": [],
    }
    if watched.episodes:
        episode = watched.episodes[-1]
        row["gate"] = episode.outcome or f"no end: {episode.state}"
        row["reason"] = episode.reason
        row["rungs"] = episode.plan.get("rungs", [])
        row["diagnosis"] = episode.plan.get("diagnosis", {}).get("kind")
        if episode.outcome == "released":
            row["winner"] = proposed(watched.proposals[-1].evidence)
        for name, directory in watched.members(episode).items():
            # The winner's files have become those of the release.
            accuracy[name] = (
                accuracy["released"] if name == row["winner"] else accuracy_of(directory, judging)
            )
    return row


def accuracy_of(directory: Path, judging: Samples) -> float:
    """In percent."""
    said = Predictor.load(directory).predict(judging.x).argmax(axis=1)
    return 100 * float((said == judging.target).mean())


def targets(by_stream: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Of those streams that were run."""

    def gains(names: Sequence[str]) -> list[float]:
        return [gain_of(row) for name in names for row in by_stream.get(name, ())]

    runs = [row for of in by_stream.values() for row in of]
    idle = [row for name in DOES_NOT_PAY for row in by_stream.get(name, ())]
    worse = sum(row["changed"] and gain_of(row) < -NOISE_POINTS for row in runs)
    needless = sum(row["changed"] and gain_of(row) < NOISE_POINTS for row in idle)
    found: dict[str, Any] = {
        "worse_architectures_released": {
            "target": 0, "measured": worse, "of_runs": len(runs), "is_met": worse == 0,
        },
    }  # fmt: skip
    if idle:
        share = needless / len(idle)
        found["needless_architectures_released"] = {
            "target": NEEDLESS_SHARE,
            "measured": share,
            "of_runs": len(idle),
            "is_met": share <= NEEDLESS_SHARE,
        }
    for name, streams, target in (
        ("gain_where_architecture_matters", MATTERS, GAIN_POINTS),
        ("gain_where_reach_is_the_limit", REACH, REACH_POINTS),
    ):
        if of := gains(streams):
            found[name] = {"target": target, "measured": fmean(of), "is_met": fmean(of) >= target}
    return found


def gain_of(row: Mapping[str, Any]) -> float:
    """Points of what is deployed at the end over the best of the remedies that keep the
    architecture, or over the model of before where no remedy was tried."""
    accuracy = row["accuracy"]
    weights = [accuracy[name] for name in WEIGHTS_ONLY if name in accuracy]
    return float(accuracy["released"] - max(weights, default=accuracy["left"]))


def _draw(path: Path, *, document: Mapping[str, Any]) -> None:
    """A row for each stream: what was deployed before and after, beside the rivals."""
    accuracy = document["accuracy"]
    figure = Figure(figsize=(8, 1.2 + 0.32 * len(accuracy)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    marks = (
        ("left", "o", "tab:gray", "as it was"),
        ("best weights", "s", "tab:blue", "best new weights"),
        (NEIGHBOUR, "^", "tab:orange", "random edit"),
        ("released", "D", "tab:green", "deployed at the end"),
    )
    for place, (stream, of) in enumerate(accuracy.items()):
        weights = [of[name] for name in WEIGHTS_ONLY if name in of]
        shown = {**of, "best weights": max(weights)} if weights else of
        for name, mark, colour, label in marks:
            if name in shown:
                axes.plot(
                    shown[name], place, mark, color=colour, label=label if place == 0 else None
                )
        gate = ", ".join(dict.fromkeys(str(one) for one in document["gate"][stream]))
        axes.annotate(gate, (1.01, place), xycoords=("axes fraction", "data"), va="center")
    axes.set_yticks(range(len(accuracy)), list(accuracy))
    axes.invert_yaxis()
    axes.set_xlabel("accuracy after the drift, percent")
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=150)
