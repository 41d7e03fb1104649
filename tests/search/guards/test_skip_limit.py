"""Only so many skips in a cell."""

import pytest

from adaptd.architecture import Architecture
from adaptd.search.guards import SkipLimit
from adaptd.search.method import search
from adaptd.search.problem import Problem
from adaptd.search.selection import MostLikely
from tests.search.guards.problems import NONE, SKIP, count, open_problem


def chosen(
    problem: Problem, guard: SkipLimit, alphas: dict[str, dict[str, float]] | None = None
) -> Architecture:
    """By alphas that like skips best, and earlier edges' more than later ones'."""
    groups = problem.reopening.group_names
    likes = alphas or {
        group: {
            operation: 0.9 - 0.1 * place if operation == SKIP else 0.1
            for operation in problem.reopening.operations(group)
        }
        for place, group in enumerate(groups)
    }
    return MostLikely(grows=False).choose(problem, likes, limits=guard.limits(problem))


@pytest.mark.parametrize("most", [0, 1, 2])
def test_no_cell_has_more_and_the_likeliest_stay(most: int) -> None:
    problem = open_problem()
    assert count(chosen(problem, SkipLimit(3))) == 6
    limited = chosen(problem, SkipLimit(most))
    for cell in ("cells.0", "cells.1"):
        skips = [f"{cell}.edges.{place}" for place in range(most)]
        assert [
            edge
            for edge, text in limited.operations.items()
            if text == SKIP and edge.startswith(cell)
        ] == skips


def test_a_cap_that_favours_skips_does_not_break_it() -> None:
    problem = open_problem()
    everywhere = problem.architecture.with_operations(
        dict.fromkeys(problem.architecture.operations, SKIP)
    )
    two_in_each = chosen(problem, SkipLimit(2))
    tight = open_problem(macs_cap=problem.costs.total(two_in_each))
    likes = {
        group: {"dw k3 d1": 0.6, "dw k5 d1": 0.3, SKIP: 0.1}
        for group in problem.reopening.group_names
    }
    assert problem.costs.total(everywhere) < problem.costs.total(two_in_each)
    # Those of the first cell, whose records are twice as long, save the most.
    assert count(chosen(tight, SkipLimit(3), likes), within="cells.0") == 3
    limited = chosen(tight, SkipLimit(2), likes)
    assert [count(limited, within=cell) for cell in ("cells.0", "cells.1")] == [2, 2]
    assert problem.costs.total(limited) <= problem.costs.total(two_in_each)
    with pytest.raises(ValueError, match=r"and at most 1 skips on cells\.0"):
        chosen(tight, SkipLimit(1), likes)


def test_edges_that_decide_together_count_each() -> None:
    limited = chosen(open_problem(is_tied=True), SkipLimit(2))
    assert count(limited) == 0


def test_skips_of_closed_edges_count() -> None:
    problem = open_problem(deployed=SKIP, only=("cells.0.edges.1", "cells.0.edges.2"))
    limited = chosen(problem, SkipLimit(2, spares_deployed=False))
    assert count(limited, within="cells.0") == 2
    assert limited.operations["cells.0.edges.0"] == SKIP


def test_as_many_as_are_deployed_are_spared() -> None:
    problem = open_problem(deployed=SKIP)
    assert SkipLimit(2).limits(problem) == []
    assert count(chosen(problem, SkipLimit(2))) == 6
    assert count(chosen(problem, SkipLimit(2, spares_deployed=False))) == 4


def test_nothings_are_no_skips() -> None:
    problem = open_problem(("dw k3 d1", NONE))
    assert SkipLimit(0).limits(problem) == []


def test_it_holds_at_the_end_of_a_search_and_says_what_it_changed() -> None:
    # No step is long enough to make an alpha differ from where it starts by much: all skips.
    liked = {edge: {SKIP: 1e9} for edge in open_problem().reopening.group_names}
    problem = open_problem(steps=24)
    problem = Problem(**{**vars(problem), "concentrations": liked})
    free = search(problem)
    limited = search(problem, guards=[SkipLimit(1)])
    assert free is not None
    assert limited is not None
    assert count(free.architecture) == 6
    assert count(limited.architecture, within="cells.0") == 1
    assert count(limited.architecture, within="cells.1") == 1
    assert limited.guards["skip-limit"] == {
        "acted": True,
        "most": 1,
        "skips_without": 6,
        "skips_with": 2,
        "most_in_a_cell": 1,
        "nothings": 0,
    }
    assert free.alphas == limited.alphas


def test_what_no_candidate_can_keep_to_is_refused_before_a_step() -> None:
    problem = open_problem((SKIP,), deployed=SKIP)
    steps: list[int] = []
    with pytest.raises(ValueError, match="no combination of candidates"):
        search(
            problem,
            guards=[SkipLimit(2, spares_deployed=False)],
            watch=lambda moment: steps.append(moment.step),
        )
    assert not steps


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0, got -1"):
        SkipLimit(-1)
