"""What moves and their rivals ask for, on spaces made up here."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from benchmarks.nas201.comparison import METHODS, Begin
from benchmarks.nas201.encoding import Cell
from benchmarks.nas201.evaluation import Trace, follow
from benchmarks.nas201.moves import PARENTS, blind_moves, guided_moves
from benchmarks.nas201.neighbourhood import one_edits
from benchmarks.nas201.rivals import POPULATION, random_search, regularised_evolution

OPERATIONS = ("p", "q", "r", "s")
EDGES = 5
WORST, BEST = ("p",) * EDGES, ("s",) * EDGES

_ALL = [method.begin for method in METHODS.values()]
_INFORMED = [guided_moves, blind_moves, regularised_evolution]


def _sum(cell: Cell) -> float:
    """One peak, and every edge counts for itself."""
    return float(
        sum(OPERATIONS.index(operation) * 1.1**edge for edge, operation in enumerate(cell))
    )


def _trap(cell: Cell) -> float:
    """A second peak at the worst cell, from which every single edit leads down."""
    return 10.0 if cell == WORST else _sum(cell)


def _trace(
    begin: Begin, *, evaluate: Callable[[Cell], float] = _sum, budget: int, seed: int = 0
) -> Trace:
    randomness = np.random.default_rng(seed)
    search = begin(WORST, operations=OPERATIONS, randomness=randomness)
    return follow(search, evaluate, budget=budget)


def _distance(one: Cell, other: Cell) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("begin", _ALL)
def test_the_same_seed_asks_for_the_same_cells_and_another_for_others(begin: Begin) -> None:
    assert _trace(begin, budget=40).cells == _trace(begin, budget=40).cells
    assert _trace(begin, budget=40).cells != _trace(begin, budget=40, seed=1).cells


@pytest.mark.parametrize("begin", _ALL)
def test_with_enough_budget_the_whole_space_is_seen(begin: Begin) -> None:
    search = begin(("p", "p"), operations=OPERATIONS, randomness=np.random.default_rng(0))
    trace = follow(search, _sum, budget=16)
    assert set(trace.cells) == set(product(OPERATIONS, repeat=2))


@pytest.mark.parametrize("begin", _INFORMED)
def test_every_search_but_the_random_one_begins_at_the_incumbent(begin: Begin) -> None:
    assert _trace(begin, budget=1).cells == (WORST,)


@pytest.mark.parametrize("begin", [guided_moves, blind_moves])
def test_moves_climb_a_single_peak_where_random_search_does_not(begin: Begin) -> None:
    reached = [_trace(begin, budget=60, seed=seed).best_so_far[-1] for seed in range(10)]
    assert reached == [_sum(BEST)] * 10
    # 60 of 1,024 cells: random search finds the peak in one run of seventeen.
    missed = [_trace(random_search, budget=60, seed=seed).best_so_far[-1] for seed in range(10)]
    assert sum(value < _sum(BEST) for value in missed) >= 7


@pytest.mark.parametrize("begin", [guided_moves, blind_moves])
def test_moves_leave_a_peak_that_every_edit_leads_down_from(begin: Begin) -> None:
    assert _trace(begin, evaluate=_trap, budget=150).best_so_far[-1] == _sum(BEST)


def test_a_guided_move_changes_one_edge_of_the_best_that_have_an_unseen_edit() -> None:
    trace = _trace(guided_moves, budget=120)
    for count in range(1, 120):
        ranked = sorted(trace.cells[:count], key=_sum, reverse=True)
        rounds = [ranked[start : start + PARENTS] for start in range(0, count, PARENTS)]
        seen = set(trace.cells[:count])
        unseen = (
            {edit for parent in best for edit in one_edits(parent, OPERATIONS)} - seen
            for best in rounds
        )
        assert trace.cells[count] in next(filter(None, unseen))


def test_guided_moves_need_fewer_evaluations_than_blind_ones_where_edges_add_up() -> None:
    def needed(begin: Begin) -> float:
        traces = [_trace(begin, budget=100, seed=seed) for seed in range(20)]
        return float(np.mean([trace.values.argmax() for trace in traces]))

    assert needed(guided_moves) < 0.8 * needed(blind_moves)


def test_evolution_draws_its_founders_then_changes_one_edge_of_a_living_parent() -> None:
    randomness = np.random.default_rng(0)
    search = regularised_evolution(WORST, operations=OPERATIONS, randomness=randomness)
    asked = [next(search)]
    for _ in range(100):
        asked.append(search.send(_sum(asked[-1])))
    for count in range(POPULATION, len(asked)):
        living = asked[count - POPULATION : count]
        assert min(_distance(asked[count], parent) for parent in living) <= 1
    assert np.mean([_sum(cell) for cell in asked[-20:]]) > np.mean(
        [_sum(cell) for cell in asked[:20]]
    )
