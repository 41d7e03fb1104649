"""Searches around networks as users bring them: half frozen, with dropout, with names of ours."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from adaptd.search.method import METHODS, search
from adaptd.search.problem import Problem
from adaptd.search.training import Samples, train
from adaptd.space import Supernet, build, shrink_and_perturb
from adaptd.space.openable import made_architecture
from tests.search.test_gradient_search import assert_same, run_with_pause

SHAPE = (3, 16)


def samples(count: int = 80) -> Samples:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, *SHAPE, generator=generator)
    return Samples(x, torch.randint(5, (count,), generator=generator))


def problem_around(factory: str, *, steps: int = 40, **settings: Any) -> Problem:
    architecture = made_architecture(f"tests.networks:{factory}", settings, SHAPE)
    return Problem.around(build(architecture), architecture, samples(), steps=steps, seed=3)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_frozen_stays_as_it_is(method: str) -> None:
    problem = problem_around("half_frozen_cnn", axes=1)
    assert "features.0" not in problem.reopening.candidates
    found = search(problem, method)
    assert found is not None
    before, after = (
        one.get_submodule("features.0").state_dict() for one in (problem.network, found.network)
    )
    is_inherited = METHODS[method].is_warm
    assert all(torch.equal(before[name], after[name]) for name in before) or not is_inherited
    moved = {name: one.requires_grad for name, one in found.network.named_parameters()}
    assert [name for name, is_free in moved.items() if not is_free] == [
        "features.0.weight",
        "features.0.bias",
    ]


def test_what_was_frozen_after_it_was_made_is_not_opened() -> None:
    architecture = made_architecture("tests.networks:plain_cnn", {"axes": 1}, SHAPE)
    network = build(architecture)
    network.get_submodule("features.4").requires_grad_(False)
    problem = Problem.around(network, architecture, samples(), steps=40, seed=3)
    assert set(problem.reopening.candidates) == {"features.0", "features.7", "head"}


def test_shrinking_leaves_what_is_frozen() -> None:
    problem = problem_around("half_frozen_cnn", axes=1)
    generator = torch.Generator().manual_seed(0)
    shrunk = shrink_and_perturb(
        problem.network, problem.architecture, factor=0.5, generator=generator
    )
    own, others = "features.0.weight", "features.4.weight"
    before, after = problem.network.state_dict(), shrunk.state_dict()
    assert torch.equal(before[own], after[own])
    assert not torch.equal(before[others], after[others])


def test_a_network_that_is_wholly_frozen_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 5)).requires_grad_(False)
    with pytest.raises(ValueError, match="all parameters are frozen"):
        train(network, samples(), steps=1, seed=0)


@pytest.mark.parametrize("method", ["bounded", "race", "evolution"])
def test_what_a_network_draws_itself_belongs_to_its_search(method: str, tmp_path: Path) -> None:
    problem = problem_around("dropping_cnn", axes=1)
    torch.manual_seed(1)
    first = search(problem, method)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = search(problem, method)
    assert first is not None
    assert second is not None
    assert_same(first, second)
    # Nor does it take anything from whoever calls it.
    assert torch.equal(before, torch.get_rng_state())
    for after in (3, 17, 33):
        assert_same(run_with_pause(problem, method, after, tmp_path / f"{after}"), first)


def test_layers_in_a_list_called_edges_decide_for_themselves() -> None:
    problem = problem_around("listed_network")
    names = [f"body.edges.{place}" for place in range(3)]
    assert problem.reopening.groups == {name: name for name in names}
    assert search(problem, "bounded") is not None


def test_an_even_depthwise_kernel_begins_exactly() -> None:
    problem = problem_around("listed_network")
    supernet = Supernet.reopen(problem.network, problem.reopening, edges=problem.edges).eval()
    x = samples().x
    assert len(problem.reopening.candidates["body.edges.1"]) > 1
    torch.testing.assert_close(supernet(x), problem.network.eval()(x), atol=1e-5, rtol=0)


def test_a_problem_can_be_copied_and_sent() -> None:
    problem = problem_around("plain_cnn", axes=1)
    for other in (copy.deepcopy(problem), pickle.loads(pickle.dumps(problem))):
        assert other.architecture == problem.architecture
        assert other.reopening == problem.reopening
