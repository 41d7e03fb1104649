"""How likely operations are, group by group and together."""

import math

import pytest

from adaptd.search.method import METHODS, GradientMethod
from adaptd.search.selection import MostLikely, partly_pooled
from tests.search.conftest import MakeProblem


def test_without_a_share_each_group_keeps_its_weights() -> None:
    alphas = {"a": {"x": 0.7, "y": 0.3}, "b": {"x": 0.2, "y": 0.8}}
    assert partly_pooled(alphas, 0.0) == alphas


def test_a_group_that_has_not_decided_follows_one_that_has() -> None:
    alphas = {"a": {"x": 0.52, "y": 0.48}, "b": {"x": 0.1, "y": 0.9}}
    pooled = partly_pooled(alphas, 0.5)
    assert pooled["a"]["y"] > pooled["a"]["x"]
    assert pooled["b"]["y"] > 0.75


def test_groups_that_have_decided_differently_stay_different() -> None:
    pooled = partly_pooled({"a": {"x": 0.9, "y": 0.1}, "b": {"x": 0.1, "y": 0.9}}, 0.5)
    assert pooled["a"]["x"] == pytest.approx(pooled["b"]["y"])
    assert 0.5 < pooled["a"]["x"] < 0.9


def test_groups_that_agree_are_left_alone() -> None:
    weights = {"x": 0.5, "y": 0.3, "z": 0.2}
    for of in partly_pooled({"a": weights, "b": dict(weights)}, 0.5).values():
        assert of == pytest.approx(weights)


def test_wholly_pooled_groups_are_one() -> None:
    pooled = partly_pooled({"a": {"x": 0.9, "y": 0.1}, "b": {"x": 0.2, "y": 0.8}}, 1.0)
    odds = math.sqrt(9 * 0.25)
    for of in pooled.values():
        assert of["x"] / of["y"] == pytest.approx(odds)
        assert sum(of.values()) == pytest.approx(1)


def test_an_operation_that_no_other_group_has_keeps_its_place() -> None:
    # Both like x as much, measured against their own middle.
    pooled = partly_pooled({"a": {"x": 0.5, "y": 0.5}, "b": {"z": 0.9, "w": 0.1}}, 0.5)
    assert pooled["b"] == pytest.approx({"z": 0.9, "w": 0.1})
    assert pooled["a"] == pytest.approx({"x": 0.5, "y": 0.5})


def test_a_weight_of_nothing_is_no_error() -> None:
    pooled = partly_pooled({"a": {"x": 1.0, "y": 0.0}, "b": {"x": 1.0, "y": 0.0}}, 0.5)
    assert pooled["a"]["x"] == pytest.approx(1)


def test_the_choice_of_a_wavering_group_follows_the_other(make_problem: MakeProblem) -> None:
    problem = make_problem(caps=())
    texts = problem.reopening.operations("cells.0")
    assert texts == problem.reopening.operations("cells.1")
    short, long = texts[0], texts[-1]
    rest = dict.fromkeys(texts[1:-1], 0.01)
    alphas = {
        "cells.0": {short: 0.50, **rest, long: 0.48},
        "cells.1": {short: 0.05, **rest, long: 0.93},
    }
    alone = MostLikely(grows=False).choose(problem, alphas).operations
    pooled = MostLikely(grows=False, pooled=0.5).choose(problem, alphas).operations
    assert alone["cells.0.edges.0"] == short
    assert pooled["cells.0.edges.0"] == pooled["cells.1.edges.0"] == long


def test_a_group_without_a_choice_has_no_vote() -> None:
    alone = {"a": {"x": 0.2, "y": 0.8}, "b": {"x": 0.3, "y": 0.7}}
    settled = {f"settled {number}": {"x": 1.0} for number in range(6)}
    pooled = partly_pooled({**alone, **settled}, 0.5)
    assert {group: pooled[group] for group in alone} == partly_pooled(alone, 0.5)
    assert pooled["settled 0"] == {"x": 1.0}


def test_bounded_lets_a_wavering_group_follow(make_problem: MakeProblem) -> None:
    bounded = METHODS["bounded"]
    assert isinstance(bounded, GradientMethod)
    problem = make_problem(caps=())
    texts = problem.reopening.operations("cells.0")
    even = dict.fromkeys(texts, 1.0)
    alphas = {"cells.0": {**even, texts[0]: 1.01}, "cells.1": {**even, texts[-1]: 20.0}}
    chosen = bounded.selection.choose(problem, alphas).operations
    assert chosen["cells.0.edges.0"] == chosen["cells.1.edges.0"] == texts[-1]
