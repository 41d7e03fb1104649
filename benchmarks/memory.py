"""Benchmark `memory`: what a training step of an open network keeps, over the deployed one's.

All edges of a network are open, each to the same candidates. The figure is what autograd saves
from forward to backward, parameters and buffers left out; where paths are drawn, of the draw that
keeps most, and where edges are computed twice, with what the second time keeps. The peak of the
whole process is beside it, each method's in a process of its own.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional

from adaptd.architecture import Setting
from adaptd.search.budget import limited_threads
from adaptd.search.ladder import choose_relaxation
from adaptd.search.training import Samples
from adaptd.space import (
    LADDER,
    MERGED,
    SOFT,
    Relaxation,
    Reopening,
    Supernet,
    build,
    edges_of,
    initial_architecture,
)
from adaptd.space.memory import step_bytes
from adaptd.space.separable_twice import SeparableTwice
from adaptd.space.skip import Nothing, Skip
from adaptd.store.files import write_atomically
from benchmarks.benchmark import Outcome, Scale, Settings

# On every edge of the deployed networks, and so among all candidates below.
DEPLOYED = "dw k5 d2"
LINEAR = ("dw k3 d1", "dw k5 d1", "dw k9 d1", DEPLOYED)
POOLING = (*LINEAR, "maxpool k3")
# Liu et al. 2019, "DARTS": its eight, of which the dilated convolutions are `dw` here.
DARTS = (
    str(Nothing()),
    str(Skip()),
    "maxpool k3",
    "avgpool k3",
    str(SeparableTwice(3)),
    str(SeparableTwice(5)),
    "dw k3 d2",
    DEPLOYED,
)

LINEAR_ONLY = "bounded, linear only"
WITH_POOLING = "bounded, with max pooling"


@dataclass(frozen=True)
class Method:
    """candidates: of each edge; none leaves the network as it is deployed."""

    candidates: tuple[str, ...]
    relaxation: Relaxation = MERGED


METHODS: Mapping[str, Method] = {
    "deployed": Method(()),
    LINEAR_ONLY: Method(LINEAR),
    WITH_POOLING: Method(POOLING),
    **{
        f"max pooling, {name}": Method(POOLING, relaxation)
        for name, relaxation in LADDER.items()
        if relaxation != MERGED
    },
    "soft mixture, linear only": Method(LINEAR, SOFT),
    "soft mixture, with max pooling": Method(POOLING, SOFT),
    **{
        f"DARTS operations, {name}": Method(DARTS, relaxation)
        for name, relaxation in LADDER.items()
    },
    "full DARTS": Method(DARTS, SOFT),
}
# Times what the deployed network's step keeps, at most, at every network and batch.
TARGETS = {LINEAR_ONLY: 1.05, WITH_POOLING: 1.3}


@dataclass(frozen=True)
class Network:
    """shape: of a record, without the batch axis."""

    factory: str
    settings: Mapping[str, Setting]
    shape: tuple[int, ...]

    def build(self) -> nn.Module:
        return build(initial_architecture(self.factory, self.settings, DEPLOYED))


NETWORKS = {
    "sequence": Network(
        "adaptd.space.sequence:convnet", {"in_channels": 1, "classes": 3, "width": 16}, (1, 64)
    ),
    "image": Network(
        "adaptd.space.image:convnet", {"in_channels": 3, "classes": 10, "width": 16}, (3, 32, 32)
    ),
}

_BATCHES: dict[Scale, tuple[int, ...]] = {"full": (64, 256), "quick": (64,), "smoke": (8,)}
_NETWORKS: dict[Scale, tuple[str, ...]] = {
    "full": ("sequence", "image"),
    "quick": ("sequence", "image"),
    "smoke": ("sequence",),
}
# Methods whose processes are started: all, or the deployed network and the two with a target.
_PEAKS: dict[Scale, tuple[str, ...]] = {
    "full": tuple(METHODS),
    "quick": tuple(METHODS),
    "smoke": ("deployed", LINEAR_ONLY),
}
# Of a process that measures its peak: the second one meets the optimiser's state, the others show
# that it stays.
_STEPS = 4


def run(settings: Settings) -> Outcome:
    """Nothing here is random but the drawn paths of the peak's steps; the first seed sets them."""
    scale = settings.scale
    batches, networks = _BATCHES[scale], _NETWORKS[scale]
    columns = {f"{name} at {batch}": (name, batch) for name in networks for batch in batches}
    kept = {
        method: {
            column: kept_bytes(name, method, batch) for column, (name, batch) in columns.items()
        }
        for method in METHODS
    }
    deployed = kept["deployed"]
    ratio = {
        method: {column: size / deployed[column] for column, size in row.items()}
        for method, row in kept.items()
    }
    largest = {
        column: (name, batch) for column, (name, batch) in columns.items() if batch == max(batches)
    }
    document: dict[str, Any] = {
        "targets": {
            method: {
                "target": target,
                "largest_ratio": max(ratio[method].values()),
                "is_met": max(ratio[method].values()) <= target,
            }
            for method, target in TARGETS.items()
        },
        f"rung_with_max_pooling_within_{TARGETS[WITH_POOLING]}": {
            column: _rung(name, batch, int(TARGETS[WITH_POOLING] * deployed[column]))
            for column, (name, batch) in columns.items()
        },
        "ratio": ratio,
        "deployed_bytes": deployed,
        "peak_rss_bytes": {
            method: {
                column: _peak_of(name, method, batch, settings.seeds[0])
                for column, (name, batch) in largest.items()
            }
            for method in _PEAKS[scale]
        },
    }
    return Outcome(document, partial(draw, ratio=ratio))


@cache
def kept_bytes(network: str, method: str, batch: int) -> int:
    """Of one training step at this very batch, nothing extrapolated."""
    return step_bytes(opened(network, METHODS[method]), *records(network, batch))


def opened(network: str, method: Method) -> nn.Module:
    """The deployed network with all its edges open, every candidate as likely as another."""
    deployed = NETWORKS[network].build()
    if not method.candidates:
        return deployed
    supernet = Supernet.reopen(
        deployed, reopening(deployed, method.candidates), relaxation=method.relaxation
    )
    supernet.equalise()
    return supernet


def reopening(network: nn.Module, candidates: tuple[str, ...]) -> Reopening:
    """All edges, each deciding by itself."""
    edges = edges_of(network)
    return Reopening(dict.fromkeys(edges, candidates), {edge: edge for edge in edges})


def records(network: str, batch: int) -> tuple[Tensor, Tensor]:
    """So many records and their classes; their values are of no account."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, *NETWORKS[network].shape, generator=generator)
    return x, torch.zeros(batch, dtype=torch.int64)


def _rung(network: str, batch: int, budget: int) -> dict[str, Any]:
    deployed = NETWORKS[network].build()
    rung = choose_relaxation(
        deployed,
        reopening(deployed, POOLING),
        None,
        Samples(*records(network, 2)),
        batch=batch,
        byte_budget=budget,
    )
    return {"rung": rung.name, "predicted_bytes": rung.predicted_bytes, "budget_bytes": budget}


def _peak_of(network: str, method: str, batch: int, seed: int) -> int:
    """In a process that does nothing else. Raises CalledProcessError if it fails."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", network, method, str(batch), str(seed)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    return int(answer.stdout)


def main() -> None:
    """A few training steps; writes the most bytes that this process has held so far."""
    network, method, batch, seed = sys.argv[1:]
    trained = opened(network, METHODS[method]).train()
    if isinstance(trained, Supernet):
        trained.draws.seed(int(seed))
    x, target = records(network, int(batch))
    optimiser = torch.optim.AdamW(trained.parameters(), fused=True)
    with limited_threads(1):
        for _ in range(_STEPS):
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(functional.cross_entropy(trained(x), target))
            optimiser.step()
    sys.stdout.write(f"{peak_rss_bytes()}\n")


def peak_rss_bytes() -> int:
    """Of this process since its program started.

    Not getrusage's ru_maxrss, which a child begins with its parent's: behind a large parent all
    children look alike.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM; only Linux tells a process's own peak")


def draw(path: Path, ratio: Mapping[str, Mapping[str, float]]) -> None:
    """Writes the PNG: a panel for each network and batch, a bar for each method."""
    methods = [method for method in ratio if method != "deployed"]
    columns = list(ratio["deployed"])
    figure = Figure(
        figsize=(3 + 2.6 * len(columns), 1.4 + 0.32 * len(methods)), dpi=140, layout="constrained"
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(columns), sharex=True, sharey=True, squeeze=False)[0]
    for axes, column in zip(panels, columns, strict=True):
        _panel(axes, methods, {method: ratio[method][column] for method in methods}, title=column)
    figure.suptitle(
        "Activation bytes of a training step, over the deployed network's (log scale)",
        x=0.01,
        ha="left",
    )
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Title": "Memory"})
    write_atomically(path, buffer.getvalue())


def _panel(axes: Axes, methods: list[str], ratio: Mapping[str, float], *, title: str) -> None:
    # Okabe and Ito's palette, apart for every common kind of colour blindness.
    colors = ["#D55E00" if METHODS[method].relaxation == SOFT else "#0072B2" for method in methods]
    places = range(len(methods))
    axes.barh(places, [ratio[method] for method in methods], color=colors, height=0.7)
    for place, method in zip(places, methods, strict=True):
        axes.annotate(
            f"{ratio[method]:.2f}",
            (ratio[method], place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
        if method in TARGETS:
            axes.plot(
                [TARGETS[method]] * 2, [place - 0.45, place + 0.45], color="#222222", linewidth=1.5
            )
    axes.axvline(1, color="#888888", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_xlim(0.3, 3 * max(ratio.values()))
    axes.set_yticks(places, methods, fontsize=8)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
