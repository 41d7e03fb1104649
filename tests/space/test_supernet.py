"""Reopening a network and leading it back."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from adaptd.architecture import Architecture
from adaptd.space.cost import saved_activation_bytes
from adaptd.space.edges import edges_of
from adaptd.space.network import build, initial_architecture, resolve
from adaptd.space.operation import parse_operation
from adaptd.space.relaxation import MERGED, ONE_PATH, SOFT, TWO_PATHS, Relaxation
from adaptd.space.supernet import Reopening, Supernet
from tests.networks import FOREIGN
from tests.space import curved  # noqa: F401 - registers what does not merge

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


def test_a_supernet_starts_as_the_network_in_training_and_evaluation(
    network: nn.Module, reopening: Reopening, x: Tensor
) -> None:
    supernet = Supernet.reopen(network, reopening)
    torch.testing.assert_close(supernet(x), network(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(supernet.eval()(x), network.eval()(x), atol=1e-5, rtol=1e-5)


# Texts that fit some edge or other of any network.
POOL = (
    *("conv k1 d1", "conv k3 d1", "conv k5 d1", "conv k2 d1", "conv k6 d1", "conv k3 d2"),
    *("conv k1x7 d1", "conv k2 d3", "conv k3x5 d1", "sepconv k3 d1", "lowconv r1 k3 d1"),
    *(
        "lowconv r2 k5 d1",
        "linear",
        "lowrank r1",
        "lowrank r2",
        "lowrank r3",
        "diagonal",
        "block b2",
    ),
)


def opened_everywhere(network: nn.Module, pool: tuple[str, ...] = POOL, most: int = 6) -> Reopening:
    """Each edge to what is deployed and all that fits, up to so many, each its own group."""
    candidates = {}
    for name, edge in edges_of(network).items():
        others = [text for text in pool if parse_operation(text).fits(edge.site)]
        candidates[name] = tuple(dict.fromkeys((str(edge.operation), *others)))[:most]
    return Reopening(candidates, {name: name for name in candidates})


@pytest.mark.parametrize("relaxation", [MERGED, TWO_PATHS, ONE_PATH, SOFT], ids=str)
@pytest.mark.parametrize("name", FOREIGN)
def test_it_does_for_every_foreign_network(name: str, relaxation: Relaxation) -> None:
    foreign = FOREIGN[name]
    network = resolve(foreign.factory)(**foreign.settings)
    x = torch.randn(4, *foreign.shape, generator=torch.Generator().manual_seed(0))
    network(x)
    pool = ("test-relu", *POOL)
    supernet = Supernet.reopen(network, opened_everywhere(network, pool), relaxation=relaxation)
    assert supernet.mixed_edges()
    torch.testing.assert_close(supernet.eval()(x), network.eval()(x), atol=1e-5, rtol=1e-5)
    supernet.equalise()
    assert not torch.allclose(supernet(x), network(x), atol=1e-3), "others had no weight, not none"


def test_logits_are_as_many_as_candidates(architecture: Architecture, reopening: Reopening) -> None:
    supernet = Supernet.reopen(build(architecture), reopening)
    with pytest.raises(ValueError, match=r"group 'cells\.0' has 4 candidates, got 1"):
        supernet.set_logits("cells.0", [1.0])


def test_tied_edges_start_from_different_operations(
    architecture: Architecture, reopening: Reopening, x: Tensor
) -> None:
    deployed = build(architecture.with_operations({SECOND: "dw k5 d4", FIRST: "dw k3 d1"}))
    supernet = Supernet.reopen(deployed, reopening)
    torch.testing.assert_close(supernet.eval()(x), deployed.eval()(x), atol=1e-5, rtol=1e-5)
    edges = supernet.mixed_edges()
    assert supernet.alphas()["cells.0"]["dw k3 d1"] == pytest.approx(1)
    supernet.set_logits("cells.0", [0.0, 1.0, 2.0, 3.0])
    torch.testing.assert_close(edges[FIRST].weights(), edges[SECOND].weights(), atol=0, rtol=0)
    assert edges["cells.1.edges.0"].weights().tolist()[1] == pytest.approx(1)


def test_reopening_leaves_the_deployed_network_as_it_was(
    network: nn.Module, architecture: Architecture, reopening: Reopening, x: Tensor
) -> None:
    before = copy.deepcopy(network.state_dict())
    supernet = Supernet.reopen(network, reopening)
    optimiser = torch.optim.SGD(supernet.parameters(), lr=0.1)
    supernet(x).square().sum().backward()
    optimiser.step()
    torch.testing.assert_close(network.state_dict(), before, atol=0, rtol=0)


def test_one_alpha_a_group_moves_all_its_edges(
    network: nn.Module, architecture: Architecture, reopening: Reopening, x: Tensor
) -> None:
    supernet = Supernet.reopen(network, reopening)
    supernet.equalise()
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
        Supernet.reopen(network, Reopening({"cells.7": CANDIDATES}, {"cells.7": "a"}))


def test_only_the_open_edges_change(
    network: nn.Module, architecture: Architecture, x: Tensor
) -> None:
    reopening = Reopening({FIRST: CANDIDATES}, {FIRST: "a"})
    supernet = Supernet.reopen(network, reopening)
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
    supernet = Supernet.reopen(network, reopening).eval()
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
    supernet = Supernet.reopen(network, reopening)
    supernet.fold(architecture.operations)
    weights = set(map(id, supernet.weight_parameters()))
    assert set(map(id, supernet.discretise().parameters())) == weights


def test_every_merged_edge_must_be_folded(
    network: nn.Module, architecture: Architecture, reopening: Reopening
) -> None:
    supernet = Supernet.reopen(network, reopening)
    with pytest.raises(ValueError, match="fold needs an operation for each"):
        supernet.fold({FIRST: "dw k3 d1"})
    with pytest.raises(ValueError, match="is still open; fold it first"):
        supernet.discretise()


def test_a_training_step_keeps_hardly_more_than_that_of_the_deployed_network(
    network: nn.Module, architecture: Architecture, reopening: Reopening
) -> None:
    x, target = torch.randn(64, 1, 64), torch.zeros(64, dtype=torch.int64)
    supernet = Supernet.reopen(network, reopening)
    supernet.equalise()
    ratio = saved_activation_bytes(supernet, x, target) / saved_activation_bytes(network, x, target)
    assert 1 <= ratio <= 1.05


@pytest.mark.parametrize("name", FOREIGN)
def test_so_it_does_for_foreign_networks(name: str) -> None:
    foreign = FOREIGN[name]
    network = resolve(foreign.factory)(**foreign.settings)
    positions = foreign.shape[1:] if foreign.is_dense else ()
    x, target = torch.randn(64, *foreign.shape), torch.zeros(64, *positions, dtype=torch.int64)
    reopening = opened_everywhere(network, most=4)
    # A matrix of three rows has but two lower ranks.
    assert {len(one) for one in reopening.candidates.values()} <= {4, foreign.outputs}
    supernet = Supernet.reopen(network, reopening)
    supernet.equalise()
    ratio = saved_activation_bytes(supernet, x, target) / saved_activation_bytes(network, x, target)
    assert ratio <= 1.05


LINEAR_TARGETS = ("conv k5 d1", "conv k6 d1", "lowconv r1 k3 d1", "lowrank r1", "linear")


@pytest.mark.parametrize("name", FOREIGN)
def test_a_discretised_foreign_network_holds_nothing_of_ours(name: str) -> None:
    foreign = FOREIGN[name]
    architecture = initial_architecture(foreign.factory, foreign.settings)
    network = build(architecture, seed=2)
    x = torch.randn(4, *foreign.shape, generator=torch.Generator().manual_seed(0))
    reopening = opened_everywhere(network)
    supernet = Supernet.reopen(network, reopening).eval()
    supernet.equalise()
    before = supernet(x)
    chosen = {}
    for edge, mixed in supernet.mixed_edges().items():
        fitting = [one for one in LINEAR_TARGETS if parse_operation(one).fits(mixed.edge.site)]
        chosen[edge] = fitting[0] if fitting else str(mixed.edge.operation)
    supernet.fold(chosen)
    torch.testing.assert_close(supernet(x), before, atol=1e-5, rtol=1e-4)
    supernet.anneal(0)
    folded = supernet(x)
    plain = supernet.discretise()
    assert not [one for one in plain.modules() if type(one).__module__.startswith("adaptd")]
    fresh = build(architecture.with_operations(chosen)).eval()
    fresh.load_state_dict(plain.state_dict())
    torch.testing.assert_close(fresh(x), folded, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("relaxation", [MERGED, TWO_PATHS])
def test_a_copy_draws_the_same_paths_and_is_independent(
    network: nn.Module, architecture: Architecture, x: Tensor, relaxation: Relaxation
) -> None:
    candidates = (*CANDIDATES, "test-curved", "test-max")
    reopening = Reopening(
        dict.fromkeys(architecture.operations, candidates),
        {edge: edge[: len("cells.0")] for edge in architecture.operations},
    )
    supernet = Supernet.reopen(network, reopening, relaxation=relaxation)
    supernet.equalise()
    supernet(x)
    twin = copy.deepcopy(supernet)
    for _ in range(4):
        torch.testing.assert_close(twin(x), supernet(x), atol=0, rtol=0)
    twin.set_logits("cells.0", [9, 0, 0, 0, 0, 0])
    own = {id(one) for one in twin.parameters()}
    assert {id(one) for one in twin.architecture_parameters()} <= own
    assert twin.alphas()["cells.0"]["dw k3 d1"] > 0.9
    assert supernet.alphas()["cells.0"]["dw k3 d1"] == pytest.approx(1 / 6)
    again = pickle.loads(pickle.dumps(supernet))
    torch.testing.assert_close(again(x), supernet(x), atol=0, rtol=0)


def test_reopening_and_folding_leave_torchs_generator_as_it_was(
    network: nn.Module, architecture: Architecture, reopening: Reopening
) -> None:
    before = torch.get_rng_state()
    Supernet.reopen(network, reopening).fold(architecture.operations)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_fold_that_is_refused_changes_nothing(
    network: nn.Module, architecture: Architecture, reopening: Reopening
) -> None:
    supernet = Supernet.reopen(network, reopening)
    last = list(architecture.operations)[-1]
    with pytest.raises(ValueError, match="conv k3 d1 does not fit edge"):
        supernet.fold({**architecture.operations, last: "conv k3 d1"})
    assert supernet.mixed_edges().keys() == architecture.operations.keys()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_network_of_another_dtype_can_be_opened_trained_and_folded(dtype: torch.dtype) -> None:
    network = resolve("tests.networks:plain_cnn")(axes=1, norm="group").to(dtype)
    reopening = opened_everywhere(network, ("test-relu", *POOL))
    supernet = Supernet.reopen(network, reopening)
    x = torch.randn(4, 3, 32, dtype=dtype)
    torch.testing.assert_close(supernet(x), network(x), atol=1e-2, rtol=1e-2)
    supernet.equalise()
    supernet(x).square().sum().backward()
    for alpha in supernet.architecture_parameters():
        assert alpha.dtype == torch.promote_types(dtype, torch.float32)
        assert alpha.grad is not None
    supernet.fold({name: str(edge.edge.operation) for name, edge in supernet.mixed_edges().items()})
    supernet(x)
    assert supernet.discretise()(x).dtype == dtype


def test_an_edge_has_the_mode_of_what_was_deployed(
    network: nn.Module, reopening: Reopening
) -> None:
    network.get_submodule(FIRST).eval()
    edges = Supernet.reopen(network, reopening).mixed_edges()
    assert not any(one.training for one in edges[FIRST].modules())
    assert all(one.training for one in edges[SECOND].modules())


def test_a_supernets_state_can_be_loaded_into_a_reopened_one(
    network: nn.Module, reopening: Reopening, x: Tensor
) -> None:
    supernet = Supernet.reopen(network, reopening)
    supernet.set_logits("cells.0", [0, 1, 2, 3])
    other = Supernet.reopen(network, reopening, generator=torch.Generator().manual_seed(5))
    other.load_state_dict(supernet.state_dict())
    torch.testing.assert_close(other.eval()(x), supernet.eval()(x), atol=0, rtol=0)
