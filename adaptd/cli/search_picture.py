"""How a search went, as one picture: alphas over the steps, or held-out losses of a race."""

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from adaptd.store.files import write_atomically

# Okabe and Ito's palette without yellow, which is too faint on white; told apart by dashes as well.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", "-.", ":")
_FAINT = "#9aa5b1"

# Panels and lines that can still be read on one page.
_MOST_PANELS, _MOST_NAMED = 12, 8
_COLUMNS = 3
# Inches a panel.
_WIDE, _HIGH = 4.2, 3.1


def draw_search(path: Path, report: Mapping[str, Any], trace: Mapping[str, Any]) -> None:
    """Writes the PNG, whole or not at all. Raises StoreUnavailable if the disk is full."""
    figure = (
        _race(report, trace["judgements"])
        if trace["judgements"]
        else _alphas(report, trace["points"])
    )
    FigureCanvasAgg(figure)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Title": f"adaptd search {report['method']}"})
    write_atomically(path, buffer.getvalue())


def _alphas(report: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> Figure:
    searched = [point for point in points if point["alphas"]]
    groups = _most_moved(searched)
    columns = min(_COLUMNS, max(1, len(groups)))
    rows = max(1, math.ceil(len(groups) / columns))
    figure = Figure(
        figsize=(_WIDE * columns + 0.6, _HIGH * rows + 0.9), dpi=130, layout="constrained"
    )
    everything = len(searched[0]["alphas"]) if searched else 0
    which = (
        f"; the {len(groups)} of {everything} groups whose weights moved most"
        if len(groups) < everything
        else ""
    )
    figure.suptitle(f"{_title(report)}: weights of the candidates{which}", x=0.01, ha="left")
    found = report["found"]["architecture"]["operations"]
    for place, group in enumerate(groups):
        axes = figure.add_subplot(rows, columns, place + 1)
        _group(axes, group, searched, chosen=_chosen(found, group))
        if place + columns >= len(groups):
            axes.set_xlabel("step")
    return figure


def _group(
    axes: Axes, group: str, points: Sequence[Mapping[str, Any]], *, chosen: str | None
) -> None:
    steps = [point["step"] for point in points]
    operations = list(points[-1]["alphas"][group])
    series = {
        operation: [point["alphas"][group][operation] for point in points]
        for operation in operations
    }
    by_end = sorted(operations, key=lambda operation: -series[operation][-1])
    named = set(by_end[:_MOST_NAMED])
    for place, operation in enumerate(operations):
        is_named = operation in named
        rank = [one for one in operations if one in named].index(operation) if is_named else 0
        axes.plot(
            steps,
            series[operation],
            color=_COLOURS[rank % len(_COLOURS)] if is_named else _FAINT,
            linestyle=_DASHES[rank % len(_DASHES)] if is_named else "-",
            linewidth=2.4 if place == operations.index(by_end[0]) else 1.3,
            alpha=1.0 if is_named else 0.5,
            label=operation if is_named else None,
        )
    title = group if chosen is None else f"{group} → {chosen}"
    axes.set_title(title, loc="left", fontsize=10)
    lowest, highest = (
        extreme(weight for values in series.values() for weight in values) for extreme in (min, max)
    )
    # A third is left for the legend above the lines.
    axes.set_ylim(max(0.0, lowest - 0.02), highest + 0.01 + 0.35 * (highest - lowest + 0.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    _plain(axes)
    axes.legend(fontsize=7, frameon=False, ncols=2, loc="upper left")


def _race(report: Mapping[str, Any], judgements: Sequence[Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(10, 5.2), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    arms: dict[str, list[Mapping[str, Any]]] = {}
    for judgement in judgements:
        arms.setdefault(judgement["arm"], []).append(judgement)
    # Of a race the last one to stand is the best; of single trials, the smallest loss.
    order = sorted(arms, key=lambda arm: (-arms[arm][-1]["steps"], arms[arm][-1]["loss"]))
    for place, arm in enumerate(order):
        made = arms[arm]
        axes.plot(
            [judgement["steps"] for judgement in made],
            [judgement["loss"] for judgement in made],
            color=_COLOURS[place % len(_COLOURS)],
            linestyle=_DASHES[place % len(_DASHES)],
            linewidth=2.6 if place == 0 else 1.4,
            marker="o",
            markersize=7 if place == 0 else 5,
            label=f"{made[-1]['name']}: {made[-1]['loss']:.3f}",
        )
    axes.set_title(f"{_title(report)}: loss on held-out records", loc="left")
    axes.set_xlabel("steps that the architecture was trained for")
    axes.set_ylabel("held-out loss")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlim(left=0)
    _plain(axes)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _plain(axes: Axes) -> None:
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _title(report: Mapping[str, Any]) -> str:
    return f"{report['method']} on {report['records']['stream']}, seed {report['seed']}"


def _most_moved(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """At most twelve groups, in their own order."""
    if not points:
        return []
    first, last = points[0]["alphas"], points[-1]["alphas"]
    moved = {
        group: max(abs(last[group][one] - first[group].get(one, 0.0)) for one in last[group])
        for group in last
    }
    chosen = set(sorted(moved, key=lambda group: -moved[group])[:_MOST_PANELS])
    return [group for group in last if group in chosen]


def _chosen(operations: Mapping[str, str], group: str) -> str | None:
    """What stands on the group's edges; its edges are those below it, or itself."""
    found = {
        operation
        for edge, operation in operations.items()
        if edge == group or edge.startswith(f"{group}.edges.")
    }
    return found.pop() if len(found) == 1 else None
