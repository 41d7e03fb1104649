"""Every search from the same incumbents, and how far from the optimum each gets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.nas201.accuracies import Accuracies
from benchmarks.nas201.encoding import EDGES, OPERATIONS, Cell
from benchmarks.nas201.evaluation import Search, follow
from benchmarks.nas201.moves import blind_moves, guided_moves
from benchmarks.nas201.neighbourhood import random_cell
from benchmarks.nas201.rivals import random_search, regularised_evolution


class Begin(Protocol):
    """A search from an incumbent; the same for the same state of `randomness`."""

    def __call__(
        self, incumbent: Cell, *, operations: Sequence[str], randomness: np.random.Generator
    ) -> Search: ...


@dataclass(frozen=True)
class Method:
    """budget: cells it may evaluate, the incumbent included where it starts there."""

    begin: Begin
    budget: int


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "moves": Method(guided_moves, 100),
        "blind moves": Method(blind_moves, 100),
        "regularised evolution": Method(regularised_evolution, 100),
        "random": Method(random_search, 50),
        "random, 100": Method(random_search, 100),
    }
)


def gaps(
    accuracies: Accuracies, *, seeds: Sequence[int], incumbents: int
) -> dict[str, NDArray[np.float64]]:
    """Points to the optimum of the best cell so far, by method: float64 [runs, budget].

    Runs: `incumbents` random cells for each seed, the same for every method and dataset.
    """
    return {
        name: accuracies.optimum
        - np.array(
            [
                _run(method, accuracies.by_cell.__getitem__, seed, number)
                for seed in seeds
                for number in range(incumbents)
            ]
        )
        for name, method in METHODS.items()
    }


def _run(
    method: Method, evaluate: Callable[[Cell], float], seed: int, number: int
) -> NDArray[np.float64]:
    of_incumbent, of_search = np.random.SeedSequence(seed, spawn_key=(number,)).spawn(2)
    incumbent = random_cell(EDGES, OPERATIONS, randomness=np.random.default_rng(of_incumbent))
    search = method.begin(
        incumbent, operations=OPERATIONS, randomness=np.random.default_rng(of_search)
    )
    return follow(search, evaluate, budget=method.budget).best_so_far
