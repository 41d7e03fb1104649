"""What a network costs."""

import pytest
import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.space.cost import (
    EdgeCosts,
    EdgeParameters,
    count_macs,
    edge_shapes,
    saved_activation_bytes,
)
from adaptd.space.edges import edges_of
from adaptd.space.network import architecture_edges, build, initial_architecture
from adaptd.space.operation import parse_operation
from tests.networks import FOREIGN

EDGE = "cells.1.edges.2"


@pytest.fixture
def architecture() -> Architecture:
    settings = {"in_channels": 2, "classes": 3, "width": 8}
    return initial_architecture("adaptd.space.sequence:convnet", settings, "dw k5 d1")


def test_macs_are_those_of_the_formula(architecture: Architecture) -> None:
    stem = 64 * 3 * 2 * 8
    cells = 3 * 64 * (8 * 5 + 8 * 8) + 3 * 32 * (8 * 5 + 8 * 8)
    reduction = 32 * 2 * 8 * 8
    head = 8 * 3
    assert count_macs(architecture, (2, 64)) == stem + cells + reduction + head


def test_grouped_and_dilated_convolutions_are_counted_by_their_taps() -> None:
    assert count_macs(nn.Conv1d(4, 8, 3, groups=2, padding=2, dilation=2), (4, 10)) == (
        8 * 10 * 2 * 3
    )


def test_counting_leaves_mode_statistics_and_hooks_as_they_were(
    architecture: Architecture,
) -> None:
    network = build(architecture)
    count_macs(network, (2, 16))
    saved_activation_bytes(network, torch.randn(4, 2, 16), torch.zeros(4, dtype=torch.int64))
    assert network.training
    torch.testing.assert_close(
        network.state_dict(), build(architecture).state_dict(), atol=0, rtol=0
    )
    assert not any(module._forward_hooks for module in network.modules())


def test_edges_of_the_second_cell_see_half_the_length(architecture: Architecture) -> None:
    shapes = edge_shapes(build(architecture), ("cells.0.edges.0", EDGE), (2, 64))
    assert shapes == {"cells.0.edges.0": (8, 64), EDGE: (8, 32)}


def test_edge_costs_foretell_the_count_of_any_architecture(architecture: Architecture) -> None:
    costs = EdgeCosts.of(architecture, (2, 64))
    for operations in (
        {EDGE: "dw k9 d4", "cells.0.edges.0": "dw k1 d1"},
        {EDGE: "avg k3", "cells.0.edges.0": "identity", "cells.0.edges.1": "zero"},
    ):
        changed = architecture.with_operations(operations)
        for candidate in (architecture, changed):
            assert costs.total(candidate) == count_macs(candidate, (2, 64))
        again = EdgeCosts.of(changed, (2, 64))
        assert again.total(architecture) == count_macs(architecture, (2, 64))


POOL = [
    *("conv k1 d1", "conv k3 d1", "conv k5 d1", "conv k2 d1", "conv k6 d1", "conv k1x7 d1"),
    *("sepconv k3 d1", "lowconv r1 k3 d1", "lowrank r1", "diagonal", "block b2"),
]


@pytest.mark.parametrize("name", FOREIGN)
def test_they_do_for_foreign_networks_whatever_stands_where(name: str) -> None:
    foreign = FOREIGN[name]
    architecture = initial_architecture(foreign.factory, foreign.settings)
    costs = EdgeCosts.of(architecture, foreign.shape)
    assert costs.total({}) == count_macs(architecture, foreign.shape)
    edges, tried = architecture_edges(architecture), set()
    for text in POOL:
        fitting = [name for name, one in edges.items() if parse_operation(text).fits(one.site)]
        changed = architecture.with_operations(dict.fromkeys(fitting, text))
        assert costs.total(changed) == count_macs(changed, foreign.shape), text
        tried.update(fitting)
    assert tried == edges.keys()


def test_an_edge_costs_as_often_as_it_is_called() -> None:
    twice = EdgeCosts.of(initial_architecture("tests.networks:twice_called_cnn", {}), (3, 16, 16))
    assert len(twice.calls["features.1.conv"]) == 2
    assert twice.on("features.1.conv", "conv k1 d1") == 2 * 16 * 16 * 8 * 8
    idle = EdgeCosts.of(initial_architecture("tests.networks:idle_cnn", {}), (3, 16, 16))
    assert idle.on("features.1.unused", "conv k5 d1") == 0
    assert idle.shapes["features.1.unused"] == ()


class Framewise(nn.Module):
    """Each channel of a record is a record to its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outcome: torch.Tensor = self.layer(x.flatten(0, 1)).view(len(x), -1, 3)
        return outcome


def test_an_edge_costs_for_every_part_of_a_record() -> None:
    costs = EdgeCosts.measured(Framewise(), None, (5, 8))
    assert costs.shapes == {"layer": (8,)}
    assert (costs.on("layer", "lowrank r1"), costs.fixed) == (5 * 11, 0)


def test_the_reach_of_an_operation_is_that_of_its_furthest_tap(architecture: Architecture) -> None:
    costs = EdgeCosts.of(architecture, (2, 64))
    assert costs.reach(EDGE, "dw k5 d4") == 8
    assert costs.reach(EDGE, "identity") == 0


def test_costs_are_measured_without_a_random_number(architecture: Architecture) -> None:
    network = build(architecture)
    before = torch.get_rng_state()
    EdgeCosts.measured(network, edges_of(network), (2, 64)).on(EDGE, "dw k9 d1")
    assert torch.equal(torch.get_rng_state(), before)


def test_saved_bytes_count_each_activation_once_and_no_parameter() -> None:
    class Twice(nn.Module):
        """Two linear layers on one activation, which both save."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 4), nn.Linear(6, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = x.exp()
            return self.first(hidden) + self.second(hidden)  # type: ignore[no-any-return]

    x = torch.randn(10, 6, requires_grad=True)
    kept = saved_activation_bytes(Twice(), x, torch.zeros(10, dtype=torch.int64))
    hidden, log_softmax, target, weight_of_loss = 10 * 6 * 4, 10 * 4 * 4, 10 * 8, 4
    assert kept == pytest.approx(hidden + log_softmax + target + weight_of_loss, abs=8)


def test_more_records_keep_more_bytes_in_proportion(architecture: Architecture) -> None:
    network = build(architecture)
    few, many = (
        saved_activation_bytes(network, torch.randn(n, 2, 64), torch.zeros(n, dtype=torch.int64))
        for n in (16, 64)
    )
    assert many == pytest.approx(4 * few, rel=0.02)


def test_edge_parameters_foretell_the_size_of_any_architecture(architecture: Architecture) -> None:
    parameters = EdgeParameters.measured(build(architecture), architecture_edges(architecture))
    for operations in (
        {},
        {EDGE: "dw k9 d4", "cells.0.edges.0": "dw k1 d1"},
        {EDGE: "avg k3", "cells.0.edges.0": "identity", "cells.0.edges.1": "maxpool k3"},
    ):
        changed = architecture.with_operations(operations)
        built = sum(one.numel() for one in build(changed).parameters())
        assert parameters.total(changed) == built
    assert parameters.on(EDGE, "dw k9 d1") - parameters.on(EDGE, "dw k3 d1") == 6 * 8


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_edge_parameters_of_a_foreign_network_add_up(name: str) -> None:
    foreign = FOREIGN[name]
    network = build(Architecture(foreign.factory, dict(foreign.settings), {}))
    before = torch.get_rng_state()
    parameters = EdgeParameters.measured(network, None)
    assert parameters.total({}) == sum(one.numel() for one in network.parameters())
    assert parameters.fixed >= 0
    assert torch.equal(torch.get_rng_state(), before)
