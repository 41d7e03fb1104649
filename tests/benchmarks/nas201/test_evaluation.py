import numpy as np
import pytest

from benchmarks.nas201.encoding import Cell
from benchmarks.nas201.evaluation import Search, follow

A, B, C = ("a",), ("b",), ("c",)
VALUES: dict[Cell, float] = {A: 1.0, B: 3.0, C: 2.0}


def _asking(*cells: Cell) -> Search:
    for cell in cells:
        assert (yield cell) == VALUES[cell]


def test_a_known_cell_is_not_evaluated_again_and_costs_nothing() -> None:
    asked: list[Cell] = []

    def evaluate(cell: Cell) -> float:
        asked.append(cell)
        return VALUES[cell]

    trace = follow(_asking(A, B, A, A, B, C), evaluate, budget=3)
    assert asked == [A, B, C]
    assert trace.cells == (A, B, C)
    np.testing.assert_array_equal(trace.values, [1, 3, 2])
    np.testing.assert_array_equal(trace.best_so_far, [1, 3, 3])


def test_it_stops_where_the_budget_or_the_search_ends() -> None:
    assert follow(_asking(A, B, C), VALUES.__getitem__, budget=2).cells == (A, B)
    assert follow(_asking(A, B), VALUES.__getitem__, budget=9).cells == (A, B)


def test_a_search_that_has_seen_the_whole_space_is_stopped() -> None:
    def endless() -> Search:
        while True:
            yield A

    assert follow(endless(), VALUES.__getitem__, budget=2).cells == (A,)


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        follow(_asking(A), VALUES.__getitem__, budget=0)
