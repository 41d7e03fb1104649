"""Reopening a network and leading it back."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from adaptd.architecture import Architecture
from adaptd.space.cost import saved_activation_bytes
from adaptd.space.network import build, initial_architecture
from adaptd.space.supernet import Reopening, Supernet

CANDIDATES = ("dw k3 d1", "dw k5 d1", "dw k9 d1", "dw k5 d4")
FIRST, SECOND = "cells.0.edges.0", "cells.0.edges.1"


@pytest.fixture
def architecture() -> Architecture:
    settings = {"in_channels": 1, "classes": 3, "width": 8}
    return initial_architecture("adaptd.space.sequence:convnet", settings, "dw k5 d1")


@pytest.fixture
def network(architecture: Architecture) -> nn.Module:
    network = build(architecture, seed=1)
    network(torch.randn(16, 1, 32, generator=torch.Generator().manual_seed(0)))
    return network


@pytest.fixture
def reopening(architecture: Architecture) -> Reopening:
    """All edges open, tied by cell."""
    return Reopening(
        dict.fromkeys(architecture.operations, CANDIDATES),
        {edge: edge[: len("cells.0")] for edge in architecture.operations},
    )


@pytest.fixture
def x() -> Tensor:
    return torch.randn(8, 1, 32, generator=torch.Generator().manual_seed(9))


def test_the_edges_of_a_group_need_the_same_candidates() -> None:
    with pytest.raises(ValueError, match="group 'a' share their alphas"):
        Reopening({FIRST: ("dw k3 d1",), SECOND: ("dw k5 d1",)}, {FIRST: "a", SECOND: "a"})


def test_every_open_edge_has_a_group_and_distinct_candidates() -> None:
    with pytest.raises(ValueError, match="must be the same"):
        Reopening({FIRST: CANDIDATES}, {SECOND: "a"})
    with pytest.raises(ValueError, match="must be distinct, got"):
        Reopening({FIRST: ("dw k3 d1", "dw k3 d1")}, {FIRST: "a"})
    with pytest.raises(ValueError, match=r"must be distinct, got \[\]"):
        Reopening({FIRST: ()}, {FIRST: "a"})


def test_a_reopening_goes_through_pickle_and_copy(reopening: Reopening) -> None:
    assert pickle.loads(pickle.dumps(reopening)) == reopening
    assert copy.deepcopy(reopening) == reopening


def test_with_all_weight_on_what_is_deployed_the_supernet_is_the_network(
    network: nn.Module, architecture: Architecture, reopening: Reopening, x: Tensor
) -> None:
    supernet = Supernet.reopen(network, architecture, reopening)
    for group in reopening.group_names:
        supernet.set_logits(group, [-60, 0, -60, -60])
    torch.testing.assert_close(supernet.eval()(x), network.eval()(x), atol=1e-5, rtol=1e-5)


def test_reopening_leaves_the_deployed_network_as_it_was(
    network: nn.Module, architecture: Architecture, reopening: Reopening, x: Tensor
) -> None:
    before = copy.deepcopy(network.state_dict())
    supernet = Supernet.reopen(network, architecture, reopening)
    optimiser = torch.optim.SGD(supernet.parameters(), lr=0.1)
    supernet(x).square().sum().backward()
    optimiser.step()
    torch.testing.assert_close(network.state_dict(), before, atol=0, rtol=0)


def test_one_alpha_a_group_moves_all_its_edges(
    network: nn.Module, architecture: Architecture, reopening: Reopening, x: Tensor
) -> None:
    supernet = Supernet.reopen(network, architecture, reopening)
    alphas = supernet.architecture_parameters()
    assert [tuple(alpha.shape) for alpha in alphas] == [(4,), (4,)]
    weights = supernet.weight_parameters()
    assert len(alphas) + len(weights) == len(list(supernet.parameters()))
    supernet(x).square().sum().backward()
    assert all(parameter.grad is not None for parameter in (*alphas, *weights))
    assert supernet.alphas() == {
        group: pytest.approx(dict.fromkeys(CANDIDATES, 0.25)) for group in ("cells.0", "cells.1")
    }


def test_an_unknown_edge_cannot_be_opened(network: nn.Module, architecture: Architecture) -> None:
    with pytest.raises(ValueError, match=r"no edge 'cells\.7' to open"):
        Supernet.reopen(network, architecture, Reopening({"cells.7": CANDIDATES}, {"cells.7": "a"}))


def test_only_the_open_edges_change(
    network: nn.Module, architecture: Architecture, x: Tensor
) -> None:
    reopening = Reopening({FIRST: CANDIDATES}, {FIRST: "a"})
    supernet = Supernet.reopen(network, architecture, reopening)
    supernet.fold({FIRST: "dw k5 d4"})
    state = supernet.discretise().state_dict()
    kernel = f"{FIRST}.depthwise.weight"
    assert all(
        torch.equal(state[name], tensor)
        for name, tensor in network.state_dict().items()
        if name != kernel
    )


def test_fold_then_anneal_then_discretise_is_exact_and_leaves_no_trace(
    network: nn.Module, architecture: Architecture, reopening: Reopening, x: Tensor
) -> None:
    target = architecture.with_operations(
        {
            edge: "dw k7 d4" if edge.startswith("cells.0") else "dw k3 d1"
            for edge in architecture.operations
        }
    )
    supernet = Supernet.reopen(network, architecture, reopening).eval()
    before = supernet(x)
    supernet.fold(target.operations)
    torch.testing.assert_close(supernet(x), before, atol=1e-5, rtol=1e-5)
    supernet.anneal(0)
    folded = supernet(x)
    plain = supernet.discretise()
    torch.testing.assert_close(plain(x), folded, atol=1e-5, rtol=1e-5)
    fresh = build(target)
    assert [(name, type(module)) for name, module in plain.named_modules()] == [
        (name, type(module)) for name, module in fresh.named_modules()
    ]
    fresh.load_state_dict(plain.state_dict())
    torch.testing.assert_close(fresh.eval()(x), folded, atol=1e-5, rtol=1e-5)


def test_the_optimiser_of_the_fold_goes_on_with_the_plain_network(
    network: nn.Module, architecture: Architecture, reopening: Reopening
) -> None:
    supernet = Supernet.reopen(network, architecture, reopening)
    supernet.fold(architecture.operations)
    weights = set(map(id, supernet.weight_parameters()))
    assert set(map(id, supernet.discretise().parameters())) == weights


def test_every_merged_edge_must_be_folded(
    network: nn.Module, architecture: Architecture, reopening: Reopening
) -> None:
    supernet = Supernet.reopen(network, architecture, reopening)
    with pytest.raises(ValueError, match="fold needs an operation for each"):
        supernet.fold({FIRST: "dw k3 d1"})
    with pytest.raises(ValueError, match="is still open; fold it first"):
        supernet.discretise()


def test_a_training_step_keeps_hardly_more_than_that_of_the_deployed_network(
    network: nn.Module, architecture: Architecture, reopening: Reopening
) -> None:
    x, target = torch.randn(64, 1, 64), torch.zeros(64, dtype=torch.int64)
    supernet = Supernet.reopen(network, architecture, reopening)
    ratio = saved_activation_bytes(supernet, x, target) / saved_activation_bytes(network, x, target)
    assert 1 <= ratio <= 1.05
