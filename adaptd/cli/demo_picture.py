"""The demo as one picture: accuracy over the stream, with and without the new release."""

from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from adaptd.cli.demo_report import Report
from adaptd.cli.demo_setup import Demo
from adaptd.observer.predictor import Predictor
from adaptd.observer.score import score
from adaptd.registry.scores import BlockScore
from adaptd.store.files import write_atomically
from adaptd.stream.scenario import SCENARIOS, generate

# Records in the sliding window: one point moves by half a per cent for each record.
WINDOW_RECORDS = 200
# Records that are generated and predicted at once: bounds memory, not the result.
CHUNK_RECORDS = 2_048
# More points than that are finer than the picture's pixels.
POINTS = 2_000

# Okabe and Ito's palette: apart for every common kind of colour blindness, and in grey.
LIVE, UNTOUCHED, MARK = "#0072B2", "#D55E00", "#444444"

Curve = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


def live_curve(series: list[BlockScore]) -> Curve:
    """The live champion's accuracy: the record after each window's last, and the fraction right.

    A window is the latest blocks that together hold at least 200 records.
    """
    ends = np.array([block.first_record + block.records for block in series], dtype=np.int64)
    records = np.concatenate([[0], np.cumsum([block.records for block in series])])
    hits = np.concatenate([[0], np.cumsum([block.hits for block in series])])
    # For each block the latest start whose window is large enough.
    starts = np.searchsorted(records, records[1:] - WINDOW_RECORDS, side="right") - 1
    is_full = starts >= 0
    last = np.flatnonzero(is_full) + 1
    first = starts[is_full]
    return ends[is_full], (hits[last] - hits[first]) / (records[last] - records[first])


def untouched_curve(hits: npt.NDArray[np.bool_], *, first_record: int) -> Curve:
    """The same over consecutive records from `first_record` on, bool [n], a window at each record."""
    total = np.concatenate([[0], np.cumsum(hits)])
    fractions = (total[WINDOW_RECORDS:] - total[:-WINDOW_RECORDS]) / WINDOW_RECORDS
    ends = first_record + WINDOW_RECORDS + np.arange(len(fractions), dtype=np.int64)
    step = max(1, len(ends) // POINTS)
    return ends[::step], fractions[::step]


def untouched_hits(
    demo: Demo, predictor: Predictor, *, first: int, last: int
) -> npt.NDArray[np.bool_]:
    """Which of the records [first, last) release 1 gets right, bool [last - first]."""
    found = []
    for start in range(first, last, CHUNK_RECORDS):
        x, target = generate(
            SCENARIOS[demo.scenario],
            seed=demo.seed,
            first=start,
            count=min(CHUNK_RECORDS, last - start),
            drift_at=demo.drift_at,
        )
        found.append(score(predictor.predict(x), target)[0])
    return np.concatenate(found) if found else np.zeros(0, dtype=np.bool_)


def draw(path: Path, *, report: Report, live: Curve, untouched: Curve, classes: int) -> None:
    """Writes the picture as PNG, whole or not at all. Raises StoreUnavailable if the disk is full."""
    figure = Figure(figsize=(10, 5.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(
        *untouched,
        color=UNTOUCHED,
        linestyle=(0, (4, 2)),
        linewidth=1.4,
        label="release 1, had nothing been done",
    )
    axes.plot(*live, color=LIVE, linewidth=1.8, label="live champion")
    axes.axhline(1 / classes, color=MARK, linewidth=0.8, linestyle=":", label="guessing")
    _mark(axes, report)
    axes.set_title(
        f"Scenario {report['scenario']}, seed {report['seed']}: "
        "accuracy of the model in service, over the stream",
        loc="left",
        pad=30,
    )
    axes.set_xlabel("record")
    axes.set_ylabel(f"right answers, last {WINDOW_RECORDS} records")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(live[0][0], max(live[0][-1], untouched[0][-1] if len(untouched[0]) else 0))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 0.02), framealpha=0.9)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Title": f"adaptd demo {report['scenario']}"})
    write_atomically(path, buffer.getvalue())


def _mark(axes: Axes, report: Report) -> None:
    marks = [(report["drift_at"], "drift", "-"), (report["released_at"], "release", "-.")]
    if report["alarm_at"] is not None:
        marks.insert(1, (report["alarm_at"], "alarm", "--"))
    for index, (record, word, style) in enumerate(marks):
        axes.axvline(record, color=MARK, linewidth=1.1, linestyle=style)
        # Drift and alarm lie close together: every second label stands a line higher.
        axes.annotate(
            f"{word} {record:,}",
            xy=(record, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(3, 4 + 11 * (index % 2)),
            textcoords="offset points",
            fontsize=9,
            color=MARK,
        )
