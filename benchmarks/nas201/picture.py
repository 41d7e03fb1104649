"""The gap to the optimum over evaluations, a panel for each dataset."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from adaptd.store.files import write_atomically

# Okabe and Ito's palette, apart for every common kind of colour blindness; a dash each as well.
STYLES = (
    ("#0072B2", "-", 2.0),
    ("#009E73", "-", 1.4),
    ("#D55E00", (0, (5, 2)), 1.4),
    ("#999999", (0, (1, 1.5)), 1.6),
    ("#444444", (0, (1, 1.5)), 1.6),
)


def draw(
    path: Path, gaps: Mapping[str, Mapping[str, NDArray[np.float64]]], *, target: float
) -> None:
    """Writes the PNG, whole or not at all. gaps: points, [runs, evaluations], by dataset and
    method. target: points, a line in every panel.
    """
    figure = Figure(figsize=(12, 4.4), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(gaps), sharey=True, squeeze=False)[0]
    for axes, (dataset, by_method) in zip(panels, gaps.items(), strict=True):
        _panel(axes, dataset, by_method, target)
    panels[0].set_ylabel("points below the best cell, mean")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False
    )
    figure.suptitle(
        "NAS-Bench-201: how far the best cell so far is from the optimum, over evaluations",
        x=0.01,
        ha="left",
    )
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Title": "NAS-Bench-201"})
    write_atomically(path, buffer.getvalue())


def _panel(
    axes: Axes, dataset: str, by_method: Mapping[str, NDArray[np.float64]], target: float
) -> None:
    for (method, gap), (color, dash, width) in zip(by_method.items(), STYLES, strict=True):
        evaluations = np.arange(1, gap.shape[1] + 1)
        mean = gap.mean(axis=0)
        error = 1.96 * gap.std(axis=0) / np.sqrt(len(gap))
        # A dot where the budget ends: random search with 50 lies on that with 100.
        axes.plot(
            evaluations,
            mean,
            color=color,
            linestyle=dash,
            linewidth=width,
            marker="o",
            markersize=5,
            markevery=[len(mean) - 1],
            label=method,
        )
        # The floor keeps a band that reaches zero inside the logarithmic axis.
        axes.fill_between(
            evaluations,
            np.maximum(mean - error, 1e-3),
            mean + error,
            color=color,
            alpha=0.15,
            linewidth=0,
        )
    axes.axhline(target, color="#888888", linewidth=0.8, linestyle=":", label=f"target {target}")
    axes.set_yscale("log")
    axes.set_ylim(0.02, 30)
    axes.set_xlim(0, 103)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda points, _: f"{points:g}"))
    axes.set_title(dataset, loc="left", fontsize=10)
    axes.set_xlabel("cells evaluated")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
