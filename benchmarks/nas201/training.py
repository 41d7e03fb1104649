"""The cell itself, searched on images: what each method ends with, and how many skips."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptd.architecture import Architecture
from adaptd.search.guards.table import default_guards
from adaptd.search.method import search
from adaptd.search.problem import Problem
from adaptd.search.training import accuracy, train
from adaptd.space import EdgeCosts, architecture_edges, build, fit_standardisation
from adaptd.space.cells.nas_bench_201 import PUBLISHED, cell_of, encode, operations_of, reopening
from benchmarks.policies.champion import samples_of
from benchmarks.streams import STREAMS, load

# Digits that change their size, as in the other benchmarks of images.
STREAM = "object-size"
METHODS = ("bounded", "darts-1st", "darts-2nd")
GUARDED = ("without guards", "with guards")

_WIDTH = 4
_DEPLOYED = "nor_conv k3"
_SKIP = "skip_connect"


@dataclass(frozen=True)
class Job:
    """One search. steps: of it; the network that `bounded` goes out from is trained twice as long.
    is_guarded: whether the default guards watch."""

    method: str
    is_guarded: bool
    seed: int
    steps: int
    data: str


def measure(job: Job) -> dict[str, Any]:
    """accuracy: percent after the change. skips: of the cell's six edges. cell: as the table of all
    cells names it."""
    shift = STREAMS[STREAM]
    records = load(shift, seed=job.seed, data=Path(job.data))
    before, after, test = map(samples_of, (records.before, records.after, records.after_test))
    settings = {"in_channels": 1, "classes": shift.classes, "width": _WIDTH, "cells": 1}
    deployed = Architecture(
        "adaptd.space.cells.nas_bench_201:network",
        settings,
        operations_of((_DEPLOYED,) * 6, cells=1),
    )
    network = build(deployed, seed=job.seed)
    fit_standardisation(network, before.x)
    train(network, before, steps=2 * job.steps, seed=job.seed)
    problem = Problem(
        network=network,
        architecture=deployed,
        samples=after,
        reopening=reopening(cells=1),
        edges=architecture_edges(deployed),
        costs=EdgeCosts.of(deployed, shift.shape),
        steps=job.steps,
        seed=job.seed,
    )
    found = search(problem, job.method, guards=default_guards() if job.is_guarded else ())
    if found is None:
        raise RuntimeError("a search that is not paused ends")
    cell = cell_of(found.architecture.operations)
    return {
        "accuracy": 100 * accuracy(found.network, test),
        "deployed_accuracy": 100 * accuracy(network, test),
        "skips": sum(PUBLISHED[operation] == _SKIP for operation in cell),
        "cell": encode(cell),
        "memory_ratio": found.supernet_memory_ratio,
    }
