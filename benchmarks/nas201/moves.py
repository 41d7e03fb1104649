"""Repeated moves by one edge from an incumbent, with and without a model of what a move brings."""

import heapq
from collections.abc import Container, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.nas201.encoding import Cell
from benchmarks.nas201.evaluation import Search
from benchmarks.nas201.neighbourhood import edited, one_edits, perturbed

# Cells that moves start from: one alone gets stuck where every edit is for the worse, and with
# many the moves stay far from the best.
PARENTS = 3
# Pull of the effects towards zero, in observations of one operation on one edge.
RIDGE = 1.0
# Edges that blind moves change at once where no single edit is for the better.
KICK = 2
# Cells that room is made for at first.
ROOM = 128


def guided_moves(
    incumbent: Cell, *, operations: Sequence[str], randomness: np.random.Generator
) -> Search:
    """Always the one edit, of the three best cells so far, that a model of all cells seen expects
    most of.

    The model: a cell's rank among those seen is a sum of one effect for each edge's operation, by
    ridge regression. Ranks, so that one network that failed to learn does not drown the rest.
    """
    effects = _Effects(len(incumbent), operations)
    seen: dict[Cell, float] = {}
    parents: dict[Cell, float] = {}
    cell: Cell | None = incumbent
    while cell is not None:
        seen[cell] = parents[cell] = value = yield cell
        effects.add(cell, value)
        cell = _best_move(seen, parents, effects, operations, randomness)


def blind_moves(
    incumbent: Cell, *, operations: Sequence[str], randomness: np.random.Generator
) -> Search:
    """One edit at random at a time, kept if it is for the better; from a cell that no edit betters,
    on from the best one so far with two edges changed.

    Source: Lourenço, Martin & Stützle 2003, "Iterated local search"; White, Nolen & Savani 2021,
    "Exploring the loss landscape in neural architecture search", for architectures.
    """
    best, best_value = incumbent, (yield incumbent)
    cell, value = best, best_value
    while True:
        is_improved = True
        while is_improved:
            is_improved = False
            neighbours = one_edits(cell, operations)
            for place in randomness.permutation(len(neighbours)):
                neighbour_value = yield neighbours[place]
                if neighbour_value > value:
                    cell, value = neighbours[place], neighbour_value
                    is_improved = True
                    break
        if value > best_value:
            best, best_value = cell, value
        cell = perturbed(best, operations, edits=min(KICK, len(best)), randomness=randomness)
        value = yield cell


class _Effects:
    """What each operation on each edge adds to a cell's rank, from the cells added so far."""

    def __init__(self, edges: int, operations: Sequence[str]) -> None:
        self._index = {operation: place for place, operation in enumerate(operations)}
        self._edges = np.arange(edges)
        # Of (X'X + ridge)^-1, X the cells as indicators: a cell more changes it by rank one.
        self._inverse = np.eye(edges * len(operations)) / RIDGE
        self._indicators = np.zeros((ROOM, edges * len(operations)))
        self._values = np.empty(ROOM)
        self._count = 0

    def places(self, cell: Cell) -> NDArray[np.int64]:
        """The cell's operations, by their places among all; int64 [edges]."""
        return np.array([self._index[operation] for operation in cell])

    def add(self, cell: Cell, value: float) -> None:
        """Takes an evaluated cell into account."""
        if self._count == len(self._values):
            self._indicators = np.vstack([self._indicators, np.zeros_like(self._indicators)])
            self._values = np.append(self._values, np.empty_like(self._values))
        indicator = self._indicators[self._count]
        indicator[self._edges * len(self._index) + self.places(cell)] = 1
        self._values[self._count] = value
        self._count += 1
        # Sherman and Morrison's formula.
        change = self._inverse @ indicator
        self._inverse -= np.outer(change, change) / (1 + indicator @ change)

    def estimate(self) -> NDArray[np.float64]:
        """float64 [edges, operations], in ranks from -0.5, the worst cell's, to 0.5."""
        count = self._count
        ranks = np.empty(count)
        ranks[np.argsort(self._values[:count], kind="stable")] = np.arange(count)
        targets = ranks / max(1, count - 1) - 0.5
        estimate = self._inverse @ (targets @ self._indicators[:count])
        return estimate.reshape(len(self._edges), len(self._index))


def _best_move(
    seen: Container[Cell],
    parents: dict[Cell, float],
    effects: _Effects,
    operations: Sequence[str],
    randomness: np.random.Generator,
) -> Cell | None:
    """The move of the highest expected rank that leads to an unseen cell.

    From the best parents; where all their edits have been seen they are struck off, and it is the
    next ones' turn. None once nothing is unseen.
    """
    estimate = effects.estimate()
    while parents:
        best = heapq.nlargest(PARENTS, parents, key=parents.__getitem__)
        places = np.array([effects.places(parent) for parent in best])
        kept = estimate[np.arange(len(estimate)), places]
        # [parents, edges, operations]: the parent's own effects, with one of them replaced.
        scores = kept.sum(axis=1)[:, None, None] - kept[:, :, None] + estimate
        # Shuffled before they are sorted: nothing is known of the first moves, and edges come in
        # order.
        order = randomness.permutation(scores.size)
        for place in order[np.argsort(-scores.ravel()[order], kind="stable")].tolist():
            parent, edit = divmod(place, estimate.size)
            edge, operation = divmod(edit, len(operations))
            cell = edited(best[parent], edge, operations[operation])
            if cell not in seen:
                return cell
        for exhausted in best:
            del parents[exhausted]
    return None
