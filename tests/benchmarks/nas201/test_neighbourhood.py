import numpy as np

from benchmarks.nas201.encoding import EDGES, OPERATIONS, Cell
from benchmarks.nas201.neighbourhood import one_edits, perturbed, random_cell

CELL = ("none",) * EDGES


def _distance(one: Cell, other: Cell) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def test_one_edits_are_all_cells_at_distance_one() -> None:
    edits = one_edits(CELL, OPERATIONS)
    assert len(set(edits)) == len(edits) == EDGES * (len(OPERATIONS) - 1)
    assert {_distance(CELL, edit) for edit in edits} == {1}


def test_a_perturbed_cell_lies_at_the_distance_asked_for() -> None:
    randomness = np.random.default_rng(0)
    for edits in range(EDGES + 1):
        for _ in range(20):
            cell = perturbed(CELL, OPERATIONS, edits=edits, randomness=randomness)
            assert _distance(CELL, cell) == edits


def test_random_cells_have_every_operation_on_every_edge_alike() -> None:
    randomness = np.random.default_rng(0)
    cells = [random_cell(EDGES, OPERATIONS, randomness=randomness) for _ in range(2_000)]
    for edge in range(EDGES):
        for operation in OPERATIONS:
            # 400 expected; 80 is 4.5 standard deviations.
            assert abs(sum(cell[edge] == operation for cell in cells) - 400) < 80
