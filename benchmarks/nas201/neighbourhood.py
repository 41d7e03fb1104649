"""Cells near a cell, and cells anywhere."""

from collections.abc import Sequence

import numpy as np

from benchmarks.nas201.encoding import Cell


def edited(cell: Cell, edge: int, operation: str) -> Cell:
    """The same with another operation on one edge."""
    return (*cell[:edge], operation, *cell[edge + 1 :])


def one_edits(cell: Cell, operations: Sequence[str]) -> list[Cell]:
    """All cells that differ on exactly one edge."""
    return [
        edited(cell, edge, operation)
        for edge in range(len(cell))
        for operation in operations
        if operation != cell[edge]
    ]


def perturbed(
    cell: Cell, operations: Sequence[str], *, edits: int, randomness: np.random.Generator
) -> Cell:
    """Differs on exactly so many edges, all at random."""
    for edge in randomness.choice(len(cell), edits, replace=False):
        others = [operation for operation in operations if operation != cell[edge]]
        cell = edited(cell, int(edge), others[int(randomness.integers(len(others)))])
    return cell


def random_cell(edges: int, operations: Sequence[str], *, randomness: np.random.Generator) -> Cell:
    """Each edge's operation drawn alike."""
    return tuple(operations[place] for place in randomness.integers(len(operations), size=edges))
