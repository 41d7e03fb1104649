"""Not all kernels of a network may be dilated."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.search.caps import Cap
from adaptd.search.gridding import gridding_limit
from adaptd.search.problem import Problem
from adaptd.search.selection import MostLikely
from adaptd.search.training import Samples
from adaptd.space import EdgeCosts, Reopening, build
from adaptd.space.edges import edges_of
from adaptd.space.openable import made_architecture
from tests.search.conftest import MakeProblem

SHAPE = (3, 16)
KERNELS = ("features.0", "features.4", "features.7")


def problem_around(architecture: Architecture, *caps: Cap) -> Problem:
    x = torch.randn(8, *SHAPE, generator=torch.Generator().manual_seed(0))
    samples = Samples(x, torch.zeros(8, dtype=torch.long))
    return Problem.around(build(architecture), architecture, samples, steps=20, seed=0, caps=caps)


@pytest.fixture
def architecture() -> Architecture:
    """Three convolutions of three taps and a head, all of which can be opened."""
    return made_architecture("tests.networks:plain_cnn", {"axes": 1}, SHAPE)


Alphas = dict[str, dict[str, float]]


def alphas_for(problem: Problem, wanted: str, *, but: str = "") -> Alphas:
    """Every edge likes the wanted operation; one of them a little less than the others."""
    found = {}
    for group in problem.reopening.group_names:
        texts = problem.reopening.operations(group)
        likes = dict.fromkeys(texts, 0.05)
        if wanted in texts:
            likes[wanted] = 0.9 if group == but else 1.0
        found[group] = likes
    return found


def test_where_all_kernels_are_open_the_one_that_minds_least_stays_dense(
    architecture: Architecture,
) -> None:
    problem = problem_around(architecture)
    assert set(problem.reopening.candidates) == {*KERNELS, "head"}
    alphas = alphas_for(problem, "conv k3 d2", but="features.4")
    chosen = MostLikely().choose(problem, alphas).operations
    assert [chosen[edge] for edge in KERNELS if edge != "features.4"] == ["conv k3 d2"] * 2
    assert chosen["features.4"].endswith("d1")


def test_where_one_is_dense_anyway_nothing_changes(architecture: Architecture) -> None:
    problem = problem_around(architecture)
    alphas = alphas_for(problem, "conv k3 d2")
    alphas["features.7"]["conv k5 d1"] = 2.0
    chosen = MostLikely().choose(problem, alphas).operations
    assert [chosen[edge] for edge in KERNELS] == ["conv k3 d2", "conv k3 d2", "conv k5 d1"]


def test_a_kernel_of_one_tap_does_not_fill_holes(architecture: Architecture) -> None:
    texts = ("conv k3 d1", "conv k1 d1", "conv k3 d2")
    candidates = dict.fromkeys(KERNELS, texts)
    problem = problem_around(architecture)
    problem = replace(problem, reopening=Reopening(candidates, {edge: edge for edge in KERNELS}))
    limit = gridding_limit(problem)
    assert limit is not None
    assert limit.most == 2
    assert limit.uses(KERNELS, "conv k1 d1") == limit.uses(KERNELS, "conv k3 d2") == 3
    assert limit.uses(KERNELS, "conv k3 d1") == limit.uses(("head",), "linear") == 0


def test_a_dense_kernel_that_stays_closed_is_enough(
    architecture: Architecture, make_problem: MakeProblem
) -> None:
    named = {edge: architecture.operations[edge] for edge in ("features.4", "features.7")}
    partly = Architecture(architecture.network, architecture.settings, named)
    assert gridding_limit(problem_around(partly)) is None
    # Our own networks have such a stem.
    assert gridding_limit(make_problem()) is None


def test_what_is_deployed_with_holes_may_stay_so(architecture: Architecture) -> None:
    holes = architecture.with_operations(dict.fromkeys(KERNELS, "conv k3 d2"))
    assert gridding_limit(problem_around(holes)) is None


def reopened_as(problem: Problem, candidates: Mapping[str, tuple[str, ...]]) -> Problem:
    reopening = Reopening(candidates, {edge: edge for edge in candidates})
    return replace(problem, reopening=reopening)


def without_padding(kernel: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 4, kernel, stride=stride),
        nn.Conv1d(4, 4, 3, padding=1),
        nn.Conv1d(4, 4, 3, padding=1),
    )


@pytest.mark.parametrize(("kernel", "stride", "is_limited"), [(4, 4, True), (4, 2, False)])
def test_a_stem_that_cuts_into_patches_fills_no_holes(
    architecture: Architecture, kernel: int, stride: int, *, is_limited: bool
) -> None:
    network = without_padding(kernel, stride)
    texts = ("conv k3 d1", "conv k3 d2")
    problem = reopened_as(problem_around(architecture), {"1": texts, "2": texts})
    problem = replace(problem, network=network, edges=edges_of(network))
    assert (gridding_limit(problem) is not None) == is_limited


def test_one_kernel_alone_may_have_holes(architecture: Architecture) -> None:
    problem = problem_around(architecture)
    candidates = {KERNELS[1]: ("conv k3 d1", "conv k3 d2"), "head": ("linear",)}
    assert gridding_limit(reopened_as(problem, candidates)) is None


def test_a_kernel_of_one_tap_that_may_grow_is_one_that_may_fill_them(
    architecture: Architecture,
) -> None:
    network = nn.Sequential(
        nn.Conv1d(3, 4, 3, padding=1), nn.Conv1d(4, 4, 1), nn.Conv1d(4, 4, 3, padding=1)
    )
    texts = ("conv k3 d1", "conv k3 d2")
    candidates = {"0": texts, "1": ("conv k1 d1", "conv k3 d1"), "2": texts}
    problem = reopened_as(problem_around(architecture), candidates)
    limit = gridding_limit(replace(problem, network=network, edges=edges_of(network)))
    assert limit is not None
    assert limit.most == 2
    assert limit.uses(["1"], "conv k3 d1") == 0
    assert limit.uses(["1"], "conv k1 d1") == 1


def test_a_network_without_kernels_has_none() -> None:
    made = made_architecture("tests.networks:perceptron", {}, (12,))
    samples = Samples(torch.randn(8, 12), torch.zeros(8, dtype=torch.long))
    assert gridding_limit(Problem.around(build(made), made, samples, steps=20, seed=0)) is None


def test_where_the_cap_leaves_no_dense_kernel_the_cap_wins(architecture: Architecture) -> None:
    costs = EdgeCosts.of(architecture, SHAPE)
    problem = problem_around(architecture)
    candidates = dict.fromkeys(KERNELS, ("conv k3 d1", "conv k1 d1"))
    reopening = Reopening(candidates, {edge: edge for edge in KERNELS})
    cap = Cap(costs, costs.total(dict.fromkeys(KERNELS, "conv k1 d1")))
    tight = replace(problem, reopening=reopening, caps=(cap,))
    chosen = MostLikely().choose(tight, alphas_for(tight, "conv k3 d1")).operations
    assert {chosen[edge] for edge in KERNELS} == {"conv k1 d1"}
