"""From an architecture to a network, and from one network to the next."""

import pytest
import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.space.network import (
    build,
    edges_of,
    initial_architecture,
    morph,
    resolve,
    shrink_and_perturb,
)
from adaptd.space.operation import parse_operation

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
    with pytest.raises(ValueError, match=r"does not take the settings .*depth"):
        build(Architecture(NETWORK, {**SETTINGS, "depth": 3}))
    with pytest.raises(ValueError, match=r"no edge 'cells\.9'; its edges are"):
        build(Architecture(NETWORK, SETTINGS, {"cells.9": "dw k3 d1"}))
    with pytest.raises(ValueError, match=r"got 'conv 3x3'"):
        build(architecture.with_operations({EDGE: "conv 3x3"}))
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
