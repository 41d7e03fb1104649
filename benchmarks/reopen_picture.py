"""Every policy's accuracy on every shift, against the best that keeps the architecture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.reopen_targets import best_weights_only


def draw(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a PNG: a row a stream, a column a policy, points above the best weights-only one."""
    accuracy: Mapping[str, Mapping[str, float]] = document["accuracy"]
    policies = list(dict.fromkeys(policy for of in accuracy.values() for policy in of))
    margins = np.full((len(accuracy), len(policies)), np.nan)
    for row, of in enumerate(accuracy.values()):
        best = best_weights_only(of)
        for column, policy in enumerate(policies):
            if policy in of:
                margins[row, column] = of[policy] - best
    figure = Figure(
        figsize=(1.5 + 0.75 * len(policies), 1.8 + 0.42 * len(accuracy)),
        dpi=140,
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(margins, cmap="RdBu", vmin=-20, vmax=20, aspect="auto")
    for row, of in enumerate(accuracy.values()):
        for column, policy in enumerate(policies):
            if policy in of:
                is_dark = abs(margins[row, column]) > 13
                axes.text(
                    column,
                    row,
                    f"{of[policy]:.1f}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    fontweight="bold" if policy == "bounded" else "normal",
                    color="white" if is_dark else "black",
                )
    axes.set_xticks(range(len(policies)), policies, rotation=40, ha="right")
    axes.set_yticks(range(len(accuracy)), list(accuracy))
    axes.set_title(
        "Accuracy after the shift, percent\n(blue: above the best weights-only policy)", loc="left"
    )
    figure.savefig(path)
