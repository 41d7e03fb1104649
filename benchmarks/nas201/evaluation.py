"""`Trace`: what a search has evaluated. `follow`: runs a search until its budget is spent."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.nas201.encoding import Cell

# Yields the cell it wants to know, is sent its value (higher is better), and never has to end: it
# knows neither budget nor benchmark.
Search = Generator[Cell, float, None]

# A search that asks so often in a row for what it knows has nothing left to ask: chance alone would
# have shown it something new in any space that is not all seen.
REPEATS = 10_000


@dataclass(frozen=True)
class Trace:
    """Cells and their values in the order of evaluation, no cell twice."""

    cells: tuple[Cell, ...]
    values: NDArray[np.float64]

    @property
    def best_so_far(self) -> NDArray[np.float64]:
        """The best value after each evaluation, float64 [evaluations]."""
        return np.maximum.accumulate(self.values)


def follow(search: Search, evaluate: Callable[[Cell], float], *, budget: int) -> Trace:
    """Answers the search's questions until it has evaluated `budget` cells, or ends by itself.

    To ask again for a known cell costs nothing. Raises ValueError for a budget below 1.
    """
    if budget < 1:
        raise ValueError(f"the budget must be at least one evaluation, got {budget}")
    known: dict[Cell, float] = {}
    repeats = 0
    try:
        cell = next(search)
        while repeats < REPEATS:
            if cell in known:
                repeats += 1
            else:
                known[cell] = evaluate(cell)
                repeats = 0
                if len(known) == budget:
                    break
            cell = search.send(known[cell])
    except StopIteration:
        pass
    search.close()
    return Trace(tuple(known), np.array(list(known.values()), np.float64))
