"""A search in which skips win, and what guards make of it."""

import pytest

from adaptd.search.guard import Guard
from adaptd.search.guards import SkipLimit, SkipPenalty
from adaptd.search.method import METHODS, GradientMethod, search
from adaptd.search.problem import Problem
from adaptd.search.schedule import FoldBack
from adaptd.search.training import train
from tests.search.guards.problems import SKIP, count, open_problem


@pytest.fixture(scope="module")
def skipping() -> Problem:
    """Around a network of skips that has learnt its records, so that skips are ahead."""
    problem = open_problem(deployed=SKIP, width=6, records=300, steps=100)
    train(problem.network, problem.samples, steps=60, seed=0)
    return problem


def skips(problem: Problem, *guards: Guard) -> list[int]:
    """Of each cell of what is found."""
    bounded = METHODS["bounded"]
    assert isinstance(bounded, GradientMethod)
    searching = GradientMethod(**{**vars(bounded), "schedule": FoldBack(search=0.8, fold=0.05)})
    found = search(problem, searching, guards=guards)
    assert found is not None
    return [count(found.architecture, within=cell) for cell in ("cells.0", "cells.1")]


@pytest.mark.slow
def test_skips_win_without_a_guard_and_not_with_one(skipping: Problem) -> None:
    free = skips(skipping)
    assert sum(free) >= 4
    assert max(free) == 3
    assert max(skips(skipping, SkipLimit(1, spares_deployed=False))) == 1
    assert sum(skips(skipping, SkipPenalty(0.1))) <= 1
