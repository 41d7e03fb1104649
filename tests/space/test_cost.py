"""What a network costs."""

import pytest
import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.space.cost import (
    EdgeCosts,
    EdgeShape,
    count_macs,
    edge_shapes,
    saved_activation_bytes,
)
from adaptd.space.network import build, initial_architecture

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
    shapes = edge_shapes(architecture, ("cells.0.edges.0", EDGE), (2, 64))
    assert shapes == {"cells.0.edges.0": EdgeShape(8, 64), EDGE: EdgeShape(8, 32)}


def test_edge_costs_foretell_the_count_of_any_architecture(architecture: Architecture) -> None:
    costs = EdgeCosts.of(architecture, (2, 64))
    changed = architecture.with_operations({EDGE: "dw k9 d4", "cells.0.edges.0": "dw k1 d1"})
    for candidate in (architecture, changed):
        assert costs.total(candidate) == count_macs(candidate, (2, 64))


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
