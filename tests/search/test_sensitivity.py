"""Which edges are worth opening."""

from dataclasses import replace

import pytest
import torch

from adaptd.search.candidates import reopening_of
from adaptd.search.ladder import MemoryBudgetExceeded
from adaptd.search.problem import Problem
from adaptd.search.sensitivity import most_sensitive, sensitivity
from adaptd.search.task import REGRESSION
from adaptd.search.training import Samples
from adaptd.space import (
    EdgeCosts,
    Reopening,
    Supernet,
    architecture_edges,
    build,
    initial_architecture,
    morph,
)
from adaptd.space.memory import predict_bytes
from tests.search.conftest import MakeProblem


def planted(edge: str, seed: int) -> Problem:
    """A deployed network of three taps an edge, and answers that it would give with seven on one
    of them, of which the new ones are small."""
    settings = {"in_channels": 1, "targets": 2, "width": 8}
    deployed = initial_architecture("adaptd.space.sequence:convnet", settings, "dw k3 d1")
    network = build(deployed, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    longer = deployed.with_operations({edge: "dw k7 d1"})
    teacher = morph(network, deployed, longer, noise=0.0, generator=generator)
    x = torch.randn(1_024, 1, 32, generator=generator)
    with torch.no_grad():
        kernel = teacher.get_submodule(edge).get_parameter("depthwise.weight")
        size = 0.3 * kernel[..., 2:5].std()
        kernel[..., [0, 1, 5, 6]] = size * torch.randn(8, 1, 4, generator=generator)
        target = teacher.train()(x)
    return Problem(
        network=network,
        architecture=deployed,
        samples=Samples(x, target),
        reopening=reopening_of(deployed, (1, 32)),
        edges=architecture_edges(deployed),
        costs=EdgeCosts.of(deployed, (1, 32)),
        steps=10,
        seed=0,
        task=REGRESSION,
    )


def best(problem: Problem) -> dict[str, float]:
    return {edge: max(of.values()) for edge, of in sensitivity(problem).items()}


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "edge",
    [
        "cells.0.edges.0",
        pytest.param("cells.0.edges.1", marks=pytest.mark.slow),
        pytest.param("cells.1.edges.2", marks=pytest.mark.slow),
    ],
)
def test_the_edge_that_lacks_taps_is_the_most_sensitive(edge: str, seed: int) -> None:
    found = best(planted(edge, seed))
    assert max(found, key=found.__getitem__) == edge


def test_what_adds_no_tap_scores_nothing(make_problem: MakeProblem) -> None:
    for of_edge in sensitivity(make_problem()).values():
        # Deployed are five taps side by side.
        assert of_edge["dw k5 d1"] == of_edge["dw k3 d1"] == 0


def test_where_nothing_is_lacking_there_is_no_signal() -> None:
    lacking = planted("cells.0.edges.1", 0)
    with torch.no_grad():
        target = lacking.network.train()(lacking.samples.x)
    fitting = replace(lacking, samples=Samples(lacking.samples.x, target))
    assert max(best(fitting).values()) < 0.1 * max(best(lacking).values())


@pytest.mark.parametrize("deployed", ["dw k3 d1", "maxpool k3"])
def test_every_candidate_has_a_score_whatever_is_deployed(deployed: str) -> None:
    settings = {"in_channels": 1, "classes": 3, "width": 4}
    candidates = ("dw k3 d1", "dw k5 d1", "maxpool k3", "mbconv k3 e3")
    architecture = initial_architecture("adaptd.space.image:convnet", settings, deployed)
    edges = architecture_edges(architecture)
    problem = Problem(
        network=build(architecture, seed=0),
        architecture=architecture,
        samples=Samples(
            torch.randn(200, 1, 8, 8, generator=torch.Generator().manual_seed(0)),
            torch.arange(200) % 3,
        ),
        reopening=Reopening(dict.fromkeys(edges, candidates), {edge: edge for edge in edges}),
        edges=edges,
        costs=EdgeCosts.of(architecture, (1, 8, 8)),
        steps=10,
        seed=0,
    )
    before = {name: tensor.clone() for name, tensor in problem.network.state_dict().items()}
    scores = sensitivity(problem, batches=3)
    assert scores.keys() == edges.keys()
    assert all(set(of_edge) == set(candidates) for of_edge in scores.values())
    assert all(of_edge[deployed] == 0 for of_edge in scores.values())
    assert any(of_edge["mbconv k3 e3"] > 0 for of_edge in scores.values())
    assert scores == sensitivity(problem, batches=3)
    torch.testing.assert_close(problem.network.state_dict(), before, atol=0, rtol=0)


def test_the_most_sensitive_groups_stay_open(make_problem: MakeProblem) -> None:
    problem = make_problem()
    scores = {
        edge: {"dw k9 d1": 3.0 if edge == "cells.1.edges.0" else 1.0, "dw k3 d1": 0.0}
        for edge in problem.reopening.groups
    }
    for edges, kept in ((6, ["cells.0", "cells.1"]), (5, ["cells.1"]), (1, ["cells.1"])):
        reopening = most_sensitive(problem, scores, edges)
        assert list(reopening.group_names) == kept
        assert all(
            reopening.candidates[edge] == problem.reopening.candidates[edge]
            for edge in reopening.groups
        )


def test_it_is_measured_with_fewer_records_at_a_time_where_memory_is_short(
    make_problem: MakeProblem,
) -> None:
    given = make_problem()
    candidates = dict.fromkeys(given.reopening.groups, ("dw k5 d1", "dw k3 d1", "maxpool k3"))
    problem = replace(given, reopening=Reopening(candidates, given.reopening.groups))
    deployed = predict_bytes(problem.network, problem.samples.x, problem.samples.target, batch=64)
    within = sensitivity(problem, batches=2, byte_budget=deployed)
    assert within.keys() == problem.reopening.groups.keys()
    # A candidate that is a branch of its own does not fit with 64 records at a time.
    assert within != sensitivity(problem, batches=2)
    with pytest.raises(MemoryBudgetExceeded, match="8 records at a time"):
        sensitivity(problem, batches=2, byte_budget=deployed // 100)


def test_noise_needs_two_batches(make_problem: MakeProblem) -> None:
    with pytest.raises(ValueError, match="at least 2 batches, got 1"):
        sensitivity(make_problem(), batches=1)


def test_an_edge_that_is_called_twice_counts_both_times() -> None:
    architecture = initial_architecture("tests.networks:twice_called_cnn", {})
    name = "features.1.conv"
    network = build(architecture, seed=0).train()
    x = torch.randn(128, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    problem = Problem(
        network=network,
        architecture=architecture,
        samples=Samples(x, torch.arange(128) % network(x[:2]).shape[1]),
        reopening=Reopening({name: ("conv k3 d1", "conv k5 d1")}, {name: name}),
        edges=architecture_edges(architecture),
        costs=EdgeCosts.of(architecture, (3, 16, 16)),
        steps=10,
        seed=0,
    )
    score = sensitivity(problem, batches=2)[name]["conv k5 d1"]
    # By hand: the new taps' gradient over both calls, on the same two batches.
    wide = architecture.with_operations({name: "conv k5 d1"})
    grown = morph(network, architecture, wide, noise=0.0, generator=torch.Generator()).train()
    kernel = grown.get_submodule(name).get_parameter("weight")
    generator = torch.Generator().manual_seed(problem.seed)
    # An opened supernet has drawn its kernels' noise by the time that batches are drawn.
    Supernet.reopen(network, problem.reopening, edges=problem.edges, generator=generator)
    gradients = []
    order = torch.randperm(128, generator=generator)
    for places in (order[:64], order[64:]):
        batch = problem.samples.at(places)
        (gradient,) = torch.autograd.grad(problem.task.loss(grown(batch.x), batch.target), kernel)
        gradient[..., 1:4, 1:4] = 0
        gradients.append(gradient.flatten())
    stacked = torch.stack(gradients)
    signal = stacked.mean(0).square().sum() - stacked.var(0).sum() / 2
    size = network.get_submodule(name).get_parameter("weight").detach().norm()
    assert float(signal) > 0
    assert score == pytest.approx(float(size * signal.sqrt()), rel=0.01)
