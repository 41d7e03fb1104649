"""A replayed stream as one picture: the evidence of each signal, alarms, and known drifts."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from adaptd.cli.drift_course import Course
from adaptd.store.files import write_atomically

# Rows that can still be read; beyond them those with the least evidence are left out.
_MOST_SIGNALS = 24
_ALARM, _TRUTH = "#D55E00", "#000000"


def draw_course(path: Path, course: Course, document: Mapping[str, Any]) -> None:
    """Writes the PNG, whole or not at all. Raises StoreUnavailable if the disk is full."""
    names = sorted(course.evidence, key=lambda name: -float(np.nanmax(course.evidence[name])))
    names = sorted(names[:_MOST_SIGNALS])
    figure = Figure(figsize=(11, 2.0 + 0.26 * max(1, len(names))), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    drifts = (document["truth"] or {"drifts": []})["drifts"]
    if names:
        shown = np.array([np.clip(course.evidence[name], 0, 1) for name in names])
        half = document["block_records"]
        edges = np.concatenate([course.ends[:1] - half, course.ends])
        mesh = axes.pcolormesh(
            edges, np.arange(len(names) + 1), shown, cmap="viridis", vmin=0, vmax=1, rasterized=True
        )
        figure.colorbar(mesh, ax=axes, label="log evidence over what an alarm needs", pad=0.01)
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=8)
    axes.invert_yaxis()
    for drift in drifts:
        axes.axvline(drift, color=_TRUTH, linewidth=1.2, linestyle=":")
    for place, event in enumerate(document["events"]):
        axes.axvline(event["record"], color=_ALARM, linewidth=1.4)
        axes.annotate(
            event["kind"],
            xy=(event["record"], 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, 3 + 10 * (place % 2)),
            textcoords="offset points",
            color=_ALARM,
            fontsize=8,
        )
    axes.set_xlim(0, document["records"])
    axes.set_xlabel("record (dotted: a known drift; a line: an alarm, and what it looks like)")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_title(f"Drift in {Path(document['stream']).name}", loc="left", pad=26)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Title": f"adaptd drift {document['stream']}"})
    write_atomically(path, buffer.getvalue())
