"""From an architecture to a network, and from one network to the next."""

import pytest
import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.space.edges import Edge, edges_of
from adaptd.space.kernels import Depthwise
from adaptd.space.network import (
    architecture_edges,
    build,
    initial_architecture,
    morph,
    resolve,
    shrink_and_perturb,
)
from adaptd.space.operation import parse_operation
from tests.networks import FOREIGN

NETWORK = "adaptd.space.sequence:convnet"
SETTINGS = {"in_channels": 1, "classes": 3, "width": 4}
EDGE = "cells.1.edges.2"


@pytest.fixture
def architecture() -> Architecture:
    return initial_architecture(NETWORK, SETTINGS, "dw k5 d1")


@pytest.fixture
def network(architecture: Architecture) -> nn.Module:
    """In use: its running statistics are not those of a fresh one."""
    network = build(architecture, seed=1)
    network(torch.randn(8, 1, 16, generator=torch.Generator().manual_seed(0)))
    return network


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(5, 1, 16, generator=torch.Generator().manual_seed(9))


def test_the_first_architecture_has_the_operation_on_every_edge(
    architecture: Architecture,
) -> None:
    assert dict(architecture.operations) == {
        f"cells.{cell}.edges.{edge}": "dw k5 d1" for cell in range(2) for edge in range(3)
    }


def test_each_edge_of_a_built_network_holds_its_operation(architecture: Architecture) -> None:
    changed = architecture.with_operations({EDGE: "dw k9 d2"})
    operations = {name: str(edge.operation) for name, edge in edges_of(build(changed)).items()}
    assert operations == dict(changed.operations)


def test_the_seed_alone_decides_the_weights(architecture: Architecture) -> None:
    torch.manual_seed(5)
    first = build(architecture, seed=3).state_dict()
    after = torch.rand(())
    torch.manual_seed(5)
    assert torch.rand(()) == after, "building must leave the global generator as it was"
    torch.testing.assert_close(build(architecture, seed=3).state_dict(), first, atol=0, rtol=0)
    other = build(architecture, seed=4).state_dict()
    assert not torch.equal(other["head.weight"], first["head.weight"])


def test_a_missing_module_or_factory_is_named() -> None:
    with pytest.raises(ImportError, match=r"cannot import 'nowhere\.models'"):
        resolve("nowhere.models:net")
    with pytest.raises(ImportError, match=r"module 'adaptd\.space\.sequence' has no 'resnet'"):
        resolve("adaptd.space.sequence:resnet")
    with pytest.raises(ValueError, match="must name a factory"):
        resolve("adaptd.space.export:MODEL")


def test_wrong_settings_edges_operations_and_networks_are_named(
    architecture: Architecture,
) -> None:
    with pytest.raises(ValueError, match=r"does not take the settings .*bricks"):
        build(Architecture(NETWORK, {**SETTINGS, "bricks": 3}))
    with pytest.raises(ValueError, match=r"no edge 'cells\.9'; its edges are"):
        build(Architecture(NETWORK, SETTINGS, {"cells.9": "dw k3 d1"}))
    with pytest.raises(ValueError, match=r"'conv 3x3'"):
        build(architecture.with_operations({EDGE: "conv 3x3"}))
    with pytest.raises(ValueError, match=r"edge 'cells\.1\.edges\.2': conv k3 d1 does not fit"):
        build(architecture.with_operations({EDGE: "conv k3 d1"}))
    with pytest.raises(ValueError, match=r"no edge 'cells\.9'; its edges are"):
        architecture_edges(Architecture(NETWORK, SETTINGS, {"cells.9": "dw k3 d1"}))
    with pytest.raises(ValueError, match=r"conv k3 d1 does not fit edge 'cells\.0\.edges\.0'"):
        initial_architecture(NETWORK, SETTINGS, "conv k3 d1")
    with pytest.raises(ValueError, match=r"must give a torch\.nn\.Module, got dict"):
        build(Architecture("builtins:dict"))
    with pytest.raises(ValueError, match="has no edge"):
        initial_architecture("torch.nn:Identity", {}, "dw k3 d1")


def test_a_morph_to_more_taps_computes_what_the_old_network_did(
    architecture: Architecture, network: nn.Module, x: torch.Tensor
) -> None:
    target = architecture.with_operations({EDGE: "dw k9 d1", "cells.0.edges.0": "dw k7 d1"})
    successor = morph(network, architecture, target)
    torch.testing.assert_close(successor.eval()(x), network.eval()(x), atol=1e-5, rtol=1e-5)


def test_a_morph_copies_shared_taps_by_their_offset_and_zeroes_new_ones(
    architecture: Architecture, network: nn.Module
) -> None:
    successor = morph(network, architecture, architecture.with_operations({EDGE: "dw k5 d2"}))
    old = network.get_parameter(f"{EDGE}.depthwise.weight")
    new = successor.get_parameter(f"{EDGE}.depthwise.weight")
    torch.testing.assert_close(new[..., [1, 2, 3]], old[..., [0, 2, 4]], atol=0, rtol=0)
    assert not new[..., [0, 4]].any()
    assert str(edges_of(successor)[EDGE].operation) == "dw k5 d2"


def test_a_morph_leaves_all_else_and_the_source_as_it_was(
    architecture: Architecture, network: nn.Module
) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    target = architecture.with_operations({EDGE: "dw k9 d1"})
    successor = morph(
        network, architecture, target, noise=0.1, generator=torch.Generator().manual_seed(0)
    ).state_dict()
    torch.testing.assert_close(network.state_dict(), before, atol=0, rtol=0)
    kernel = f"{EDGE}.depthwise.weight"
    assert all(
        torch.equal(successor[name], tensor) for name, tensor in before.items() if name != kernel
    )
    assert successor[kernel].all(), "with noise no tap stays at zero"


def test_a_morph_across_networks_is_refused(architecture: Architecture, network: nn.Module) -> None:
    with pytest.raises(ValueError, match="differ in more than"):
        morph(network, architecture, Architecture(NETWORK, SETTINGS))


def test_shrinking_mixes_every_parameter_with_a_fresh_one_and_keeps_the_buffers(
    architecture: Architecture, network: nn.Module
) -> None:
    def shrunk(factor: float) -> nn.Module:
        return shrink_and_perturb(
            network, architecture, factor=factor, generator=torch.Generator().manual_seed(7)
        )

    whole, half, fresh = (dict(shrunk(factor).named_parameters()) for factor in (1, 0.5, 0))
    for name, inherited in network.named_parameters():
        torch.testing.assert_close(whole[name], inherited, atol=0, rtol=0)
        torch.testing.assert_close(half[name], (inherited + fresh[name]) / 2)
    assert not torch.equal(fresh["head.weight"], network.get_parameter("head.weight"))
    assert dict(network.named_buffers()).keys() == dict(shrunk(0).named_buffers()).keys()
    torch.testing.assert_close(
        dict(shrunk(0).named_buffers()), dict(network.named_buffers()), atol=0, rtol=0
    )


def test_a_shrink_factor_beyond_its_range_is_refused(
    architecture: Architecture, network: nn.Module
) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\], got 1\.5"):
        shrink_and_perturb(network, architecture, factor=1.5, generator=torch.Generator())


def test_operations_are_stored_in_their_one_text() -> None:
    architecture = initial_architecture(NETWORK, SETTINGS, "dw k3 d4")
    assert all(str(parse_operation(text)) == text for text in architecture.operations.values())


def test_without_an_operation_each_edge_keeps_what_the_factory_puts_there() -> None:
    architecture = initial_architecture("tests.networks:odd_kernels_cnn", {})
    assert dict(architecture.operations) == {
        "features.0": "conv k4 d1",
        "features.2": "conv k1x5 d1",
        "features.4": "conv k3x1 d1",
        "features.6": "conv k3 d1x2",
        "head": "linear",
    }


def test_an_architectures_edges_have_the_factorys_sites_and_its_own_operations(
    architecture: Architecture,
) -> None:
    edges = architecture_edges(architecture.with_operations({EDGE: "dw k9 d2"}))
    sites = edges_of(build(architecture))
    assert edges[EDGE] == Edge(EDGE, sites[EDGE].site, Depthwise(9, 2))
    assert edges["cells.0.edges.0"] == sites["cells.0.edges.0"]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_network_is_built_as_its_factory_makes_it(name: str) -> None:
    architecture = initial_architecture(FOREIGN[name].factory, FOREIGN[name].settings)
    built, again = build(architecture, seed=4).eval(), build(architecture, seed=4).eval()
    made = resolve(FOREIGN[name].factory)(**FOREIGN[name].settings)
    assert [type(one) for one in built.modules()] == [type(one) for one in made.modules()]
    x = torch.randn(2, *FOREIGN[name].shape)
    torch.testing.assert_close(built(x), again(x), atol=0, rtol=0)


def test_a_foreign_network_takes_other_operations() -> None:
    architecture = initial_architecture("tests.networks:plain_cnn", {"axes": 1})
    changed = architecture.with_operations(
        {"features.0": "conv k5 d1", "features.4": "lowconv r2 k3 d1", "head": "lowrank r2"}
    )
    network = build(changed)
    assert [type(one).__module__.split(".")[0] for one in network.modules()] == [
        "tests" if one is network else "torch" for one in network.modules()
    ]
    assert network(torch.randn(2, 3, 32)).shape == (2, 5)
    source = build(architecture, seed=1)
    successor = morph(source, architecture, changed)
    old, new = dict(source.named_parameters()), dict(successor.named_parameters())
    torch.testing.assert_close(new["features.0.weight"][..., 1:4], old["features.0.weight"])
    torch.testing.assert_close(new["features.7.weight"], old["features.7.weight"])


def double(axes: int = 1) -> nn.Module:
    """A network in double precision."""
    return nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv1d(4, 4, 3)).double()


def test_fresh_parts_have_the_dtype_of_what_they_replace() -> None:
    architecture = initial_architecture("tests.space.test_network:double", {"axes": 1})
    changed = architecture.with_operations({"0": "sepconv k5 d1"})
    x = torch.randn(2, 2, 12, dtype=torch.float64)
    assert build(changed)(x).dtype == torch.float64
    network = build(architecture)
    assert morph(network, architecture, changed)(x).dtype == torch.float64
    shrunk = shrink_and_perturb(
        network, architecture, factor=0.5, generator=torch.Generator().manual_seed(0)
    )
    assert shrunk(x).dtype == torch.float64


def test_a_successor_edge_has_the_mode_of_its_predecessor() -> None:
    architecture = initial_architecture("tests.networks:plain_cnn", {"axes": 1})
    network = build(architecture)
    network.get_submodule("features.0").eval()
    changed = architecture.with_operations({"features.0": "conv k5 d1", "head": "lowrank r2"})
    successor = morph(network, architecture, changed)
    assert not successor.get_submodule("features.0").training
    assert successor.get_submodule("head").training
