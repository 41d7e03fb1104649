"""Wider, deeper, and back."""

import pytest
import torch
from torch import Tensor, nn

from adaptd.architecture import Architecture, Setting, scaled
from adaptd.space.elastic import carry_operations, resize
from adaptd.space.network import build, initial_architecture

SEQUENCE = "adaptd.space.sequence:convnet"
IMAGE = "adaptd.space.image:convnet"
TABULAR = "adaptd.space.tabular:network"
SETTINGS: dict[str, dict[str, Setting]] = {
    SEQUENCE: {"in_channels": 2, "classes": 3, "width": 8, "depth": 1, "resolution": 16},
    IMAGE: {"in_channels": 2, "classes": 3, "width": 8, "depth": 1},
    TABULAR: {"features": 5, "classes": 3, "width": 16, "depth": 2, "embedding": "periodic"},
}
OPERATIONS = {
    SEQUENCE: ("dw k5 d2", "avg k3", "identity", "dw k3 d1", "zero", "dw k9 d1"),
    IMAGE: ("mbconv k3 e3 se", "maxpool k3", "identity", "dw k3 d1", "mbconv k5 e1", "avg k3"),
    TABULAR: ("lowrank r4", "diagonal", "cross r8", "glu", "resmlp e2", "linear"),
}
every_network = pytest.mark.parametrize("network", [SEQUENCE, IMAGE, TABULAR])


def architecture_of(network: str) -> Architecture:
    initial = initial_architecture(network, SETTINGS[network])
    operations = dict(zip(initial.operations, OPERATIONS[network], strict=True))
    return initial.with_operations(operations)


def records(network: str, count: int = 12) -> Tensor:
    shape = {SEQUENCE: (2, 16), IMAGE: (2, 8, 8), TABULAR: (5,)}
    return torch.randn(count, *shape[network], generator=torch.Generator().manual_seed(1))


def in_use(architecture: Architecture) -> nn.Module:
    """Its running statistics are not those of a fresh one."""
    network = build(architecture, seed=1)
    network(3 * records(architecture.network, 64) + 1)
    return network


def grown(
    architecture: Architecture, *, width: float = 1, depth: float = 1, resolution: float = 1
) -> Architecture:
    target = scaled(architecture, width=width, depth=depth, resolution=resolution)
    return carry_operations(architecture, target)


def assert_same_function(left: nn.Module, right: nn.Module, x: Tensor) -> None:
    for is_training in (False, True):
        torch.testing.assert_close(
            left.train(is_training)(x), right.train(is_training)(x), atol=1e-5, rtol=1e-5
        )


@every_network
@pytest.mark.parametrize("factors", [{"width": 2.0}, {"width": 1.5}, {"depth": 3.0}])
def test_a_larger_network_computes_what_the_old_one_did(
    network: str, factors: dict[str, float]
) -> None:
    source = architecture_of(network)
    target = grown(source, **factors)
    old = in_use(source)
    new = resize(old, source, target)
    assert sum(one.numel() for one in new.parameters()) > sum(
        one.numel() for one in old.parameters()
    )
    assert_same_function(new, old, records(network))


@every_network
def test_what_grew_wider_and_deeper_shrinks_to_the_very_weights(network: str) -> None:
    source = architecture_of(network)
    target = grown(source, width=1.5, depth=2)
    old = in_use(source)
    back = resize(resize(old, source, target), target, source)
    torch.testing.assert_close(back.state_dict(), old.state_dict(), atol=0, rtol=0)


@every_network
def test_all_that_is_new_learns(network: str) -> None:
    source = architecture_of(network)
    target = grown(source, width=2, depth=2)
    new = resize(in_use(source), source, target)
    x, labels = records(network), torch.arange(12) % 3
    before = {name: one.detach().clone() for name, one in new.named_parameters()}
    optimiser = torch.optim.SGD(new.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        nn.functional.cross_entropy(new(x), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    unmoved = [
        name
        for name, parameter in new.named_parameters()
        if not bool((parameter != before[name]).any())
    ]
    # No gradient reaches what an edge that lets nothing pass holds before its shift, and none but
    # rounding a bias or a scale that the next norm takes away again.
    silent = [edge for edge, operation in target.operations.items() if operation == "zero"]
    expected = {f"{edge}.{name}.weight" for edge in silent for name in ("pointwise", "norm")}
    assert set(unmoved) <= expected | {
        "blocks.3.edges.1.body.out.bias",
        "cells.2.edges.0.body.expand.1.weight",
    }


def test_a_new_block_is_a_silent_copy_of_the_one_before_it() -> None:
    source = architecture_of(SEQUENCE)
    target = grown(source, depth=3)
    assert target.operations["cells.5.edges.0"] == source.operations["cells.1.edges.0"]
    old = in_use(source)
    new = resize(old, source, target)
    for cell in (2, 4):
        torch.testing.assert_close(
            new.get_submodule(f"cells.{cell}.edges").state_dict(),
            old.get_submodule("cells.0.edges").state_dict(),
            atol=0,
            rtol=0,
        )
        assert not new.get_parameter(f"cells.{cell}.scale.weight").any()


def test_a_block_diagonal_matrix_is_kept_where_a_block_holds_whole_old_ones() -> None:
    source = initial_architecture(TABULAR, {**SETTINGS[TABULAR], "width": 8}, "block b2")
    old = in_use(source)
    target = grown(source, width=2)
    new = resize(old, source, target)
    back = resize(new, target, source)
    torch.testing.assert_close(back.state_dict(), old.state_dict(), atol=0, rtol=0)
    assert_same_function(new, old, records(TABULAR))


def test_another_resolution_keeps_every_weight() -> None:
    source = architecture_of(SEQUENCE)
    target = grown(source, resolution=2)
    old = in_use(source)
    new = resize(old, source, target)
    torch.testing.assert_close(new.state_dict(), old.state_dict(), atol=0, rtol=0)
    assert not torch.allclose(new.eval()(records(SEQUENCE)), old.eval()(records(SEQUENCE)))


def test_resizing_leaves_the_old_network_and_takes_over_its_mode() -> None:
    source = architecture_of(TABULAR)
    old = in_use(source).eval()
    before = {name: tensor.clone() for name, tensor in old.state_dict().items()}
    new = resize(old, source, grown(source, width=2, depth=2))
    assert not any(module.training for module in new.modules())
    with torch.no_grad():
        for parameter in new.parameters():
            parameter.zero_()
    torch.testing.assert_close(old.state_dict(), before, atol=0, rtol=0)


def test_operations_of_edges_that_are_gone_are_dropped() -> None:
    source = architecture_of(TABULAR)
    shallow = Architecture(TABULAR, {**source.settings, "depth": 1}, source.operations)
    assert dict(carry_operations(source, shallow).operations) == {
        f"blocks.0.edges.{edge}": OPERATIONS[TABULAR][edge] for edge in range(3)
    }


def test_other_changes_are_refused() -> None:
    source = architecture_of(TABULAR)
    network = build(source)
    with pytest.raises(ValueError, match=r"width, depth, resolution alone, got .*classes"):
        resize(network, source, Architecture(TABULAR, {**source.settings, "classes": 4}))
    changed = source.with_operations({"blocks.0.edges.0": "zero"})
    with pytest.raises(ValueError, match=r"would change from lowrank r4 to zero"):
        resize(network, source, changed)
    with pytest.raises(ValueError, match="different networks"):
        resize(network, source, architecture_of(SEQUENCE))
