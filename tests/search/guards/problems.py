"""Small searches with skips among their candidates."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from adaptd.architecture import Architecture
from adaptd.search.caps import Cap
from adaptd.search.guard import SearchView
from adaptd.search.problem import Problem
from adaptd.search.task import CLASSIFICATION, Task
from adaptd.search.training import Samples
from adaptd.space import (
    EdgeCosts,
    Relaxation,
    Reopening,
    Supernet,
    architecture_edges,
    build,
    fit_standardisation,
    initial_architecture,
    sequence,
)
from adaptd.space.cell import CellSite
from adaptd.space.operation import parse_operation
from adaptd.space.relaxation import MERGED

# Registers `skip` and `none`.
from adaptd.space.skip import Nothing, Skip

SKIP, NONE = str(Skip()), str(Nothing())
SHAPE = (1, 16)
WITH_SKIPS = ("dw k3 d1", "dw k5 d1", SKIP)
WITHOUT_SKIPS = ("dw k3 d1", "dw k5 d1")

# For what has no head: channels are classes, by their mean.
POOLED = Task(
    "pooled",
    lambda outputs, target: CLASSIFICATION.loss(outputs.mean(-1), target),
    lambda outputs, target: CLASSIFICATION.score(outputs.mean(-1), target),
    CLASSIFICATION.chance,
)


class Trap(nn.Module):
    """Hands on what enters, and NaN once where it is armed."""

    is_armed: ClassVar[bool] = False

    def forward(self, x: Tensor) -> Tensor:
        if not Trap.is_armed:
            return x
        Trap.is_armed = False
        return x * float("nan")


def trapped_convnet(*, width: int) -> nn.Module:
    """The network for sequences of one channel and two classes, with a trap before its stem."""
    network = sequence.convnet(in_channels=1, classes=2, width=width)
    network.stem = nn.Sequential(Trap(), network.get_submodule("stem"))
    return network


def open_problem(
    candidates: Sequence[str] = WITH_SKIPS,
    *,
    deployed: str = "dw k3 d1",
    is_tied: bool = False,
    only: Sequence[str] = (),
    width: int = 4,
    records: int = 140,
    steps: int = 60,
    seed: int = 0,
    macs_cap: int | None = None,
) -> Problem:
    """Two cells of three edges, all open unless said otherwise, each its own group or tied.

    The class is the phase of an oscillation.
    """
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(2, (records,), generator=generator)
    swing = torch.tensor([1.0, -1.0]).repeat(SHAPE[1] // 2)
    x = torch.randn(records, *SHAPE, generator=generator)
    x += (2 * target - 1).view(-1, 1, 1) * swing
    architecture = initial_architecture(
        "tests.search.guards.problems:trapped_convnet", {"width": width}, "dw k3 d1"
    )
    architecture = architecture.with_operations(dict.fromkeys(architecture.operations, deployed))
    network = build(architecture, seed=seed)
    fit_standardisation(network, x)
    edges = architecture_edges(architecture)
    chosen = tuple(only) or tuple(edges)
    costs = EdgeCosts.of(architecture, SHAPE)
    return Problem(
        network=network,
        architecture=architecture,
        samples=Samples(x, target),
        reopening=Reopening(
            {edge: tuple(candidates) for edge in chosen},
            {edge: edge.rpartition(".edges.")[0] if is_tied else edge for edge in chosen},
        ),
        edges=edges,
        costs=costs,
        steps=steps,
        seed=seed,
        caps=() if macs_cap is None else (Cap(costs, macs_cap),),
    )


def count(architecture: Architecture, operation: str = SKIP, *, within: str = "") -> int:
    """How many edges below the prefix have the operation."""
    return sum(
        text == operation
        for edge, text in architecture.operations.items()
        if edge.startswith(within)
    )


def two_edges(
    candidates: Sequence[str] = WITH_SKIPS, *, relaxation: Relaxation = MERGED, channels: int = 4
) -> Supernet:
    """An edge that keeps its length and one that halves it, open, with equal weights."""
    operation = parse_operation("dw k3 d1")
    torch.manual_seed(0)
    network = nn.Sequential(
        CellSite(1, channels).place(operation), CellSite(1, channels, 2).place(operation)
    )
    supernet = Supernet.reopen(
        network,
        Reopening({name: tuple(candidates) for name in ("0", "1")}, {"0": "0", "1": "1"}),
        relaxation=relaxation,
    )
    supernet.equalise()
    return supernet.train()


def view_of(
    supernet: Supernet,
    *,
    fraction: float = 0.0,
    moved_alphas: bool | None = None,
    loss: float | None = None,
) -> SearchView:
    """Of `two_edges`, with records of its channels."""
    x = torch.randn(8, 4, 12, generator=torch.Generator().manual_seed(0))
    samples = Samples(x, torch.arange(8) % 4)
    return SearchView(supernet, samples, POOLED, fraction, moved_alphas, loss)
