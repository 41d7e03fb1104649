"""The demo as one picture: accuracy over the stream, with and without the new release."""

from collections.abc import Sequence
from dataclasses import replace
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

# Records in the sliding window: one record moves a point by half a per cent.
WINDOW_RECORDS = 200
# Records that are generated and predicted at once: bounds memory, not the result.
CHUNK_RECORDS = 2_048

# Okabe and Ito's palette: apart for every common kind of colour blindness, and in grey.
LIVE, UNTOUCHED, MARK = "#0072B2", "#D55E00", "#444444"

Curve = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


def curve(series: Sequence[BlockScore]) -> Curve:
    """Accuracy over a sliding window: the record after each window's last, and the fraction right.

    A window is the latest blocks that hold at least 200 records; int64 and float64 [points].
    """
    ends = np.array([block.first_record + block.records for block in series], dtype=np.int64)
    records = np.cumsum([0, *(block.records for block in series)])
    hits = np.cumsum([0, *(block.hits for block in series)])
    # For each block the latest start whose window is large enough.
    starts = np.searchsorted(records, records[1:] - WINDOW_RECORDS, side="right") - 1
    is_full = starts >= 0
    last = np.flatnonzero(is_full) + 1
    first = starts[is_full]
    return ends[is_full], (hits[last] - hits[first]) / (records[last] - records[first])


def untouched(series: Sequence[BlockScore], demo: Demo, predictor: Predictor) -> list[BlockScore]:
    """The same blocks as release 1 would have scored them, on the regenerated records."""
    if not series:
        return []
    first, last = series[0].first_record, series[-1].first_record + series[-1].records
    hits = np.concatenate(
        [
            _hits(demo, predictor, first=start, count=min(CHUNK_RECORDS, last - start))
            for start in range(first, last, CHUNK_RECORDS)
        ]
    )
    total = np.cumsum([0, *hits])
    return [
        replace(
            block,
            hits=int(
                total[block.first_record + block.records - first]
                - total[block.first_record - first]
            ),
        )
        for block in series
    ]


def draw(path: Path, *, report: Report, live: Curve, baseline: Curve, classes: int) -> None:
    """Writes the PNG, whole or not at all. Raises StoreUnavailable if the disk is full.

    baseline: release 1's curve; up to the release it lies under the live one.
    """
    figure = Figure(figsize=(10, 5.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(
        *baseline,
        color=UNTOUCHED,
        linestyle=(0, (4, 2)),
        linewidth=1.4,
        label="release 1, had nothing been done",
    )
    axes.plot(*live, color=LIVE, linewidth=1.8, label="live champion")
    axes.axhline(1 / classes, color=MARK, linewidth=0.8, linestyle=":", label="guessing")
    axes.set_title(
        f"Scenario {report['scenario']}, seed {report['seed']}: "
        "accuracy of the model in service, over the stream",
        loc="left",
        pad=30,
    )
    axes.set_xlabel("record")
    axes.set_ylabel(f"right answers, last {WINDOW_RECORDS} records")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(live[0][0], live[0][-1])
    _mark(axes, report)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    # Below the axes: no place inside is free in every scenario.
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    for (ends, fractions), color in ((live, LIVE), (baseline, UNTOUCHED)):
        _level(axes, fractions[ends >= report["released_at"] + WINDOW_RECORDS], color)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Title": f"adaptd demo {report['scenario']}"})
    write_atomically(path, buffer.getvalue())


def _hits(demo: Demo, predictor: Predictor, *, first: int, count: int) -> npt.NDArray[np.bool_]:
    x, target = generate(
        SCENARIOS[demo.scenario],
        seed=demo.seed,
        first=first,
        count=count,
        drift_at=demo.drift_at,
    )
    return score(predictor.predict(x), target)[0]


def _level(axes: Axes, fractions: npt.NDArray[np.float64], color: str) -> None:
    if len(fractions) == 0:
        return
    level = float(fractions.mean())
    axes.annotate(
        f"{level:.0%}",
        xy=(1.0, level),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        verticalalignment="center",
        color=color,
        fontweight="bold",
    )


def _mark(axes: Axes, report: Report) -> None:
    marks = [(report["drift_at"], "drift", "-"), (report["released_at"], "release", "-.")]
    if report["alarm_at"] is not None:
        marks.insert(1, (report["alarm_at"], "alarm", "--"))
    left, right = axes.get_xlim()
    for index, (record, word, style) in enumerate(marks):
        is_at_the_end = record > left + 0.85 * (right - left)
        axes.axvline(record, color=MARK, linewidth=1.1, linestyle=style)
        # Drift and alarm lie close together: every second label stands a line higher.
        axes.annotate(
            f"{word} {record:,}",
            xy=(record, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if is_at_the_end else 3, 4 + 11 * (index % 2)),
            horizontalalignment="right" if is_at_the_end else "left",
            textcoords="offset points",
            fontsize=9,
            color=MARK,
        )
