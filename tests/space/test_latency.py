"""How long operations take."""

import time

import pytest
import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.clock import Clock, SystemClock
from adaptd.space.cost import EdgeCosts
from adaptd.space.latency import EdgeLatency, times_as_long
from adaptd.space.network import architecture_edges, build, initial_architecture

EDGE = "cells.1.edges.2"
SHAPE = (1, 32)


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    settings = {"in_channels": 1, "classes": 3, "width": 4}
    return initial_architecture("adaptd.space.sequence:convnet", settings, "dw k5 d1")


def measured(
    network: nn.Module, architecture: Architecture, *, clock: Clock | None = None
) -> EdgeLatency:
    costs = EdgeCosts.measured(network, architecture_edges(architecture), SHAPE)
    return EdgeLatency.measured(
        network, costs, {EDGE: ("dw k3 d4", "identity")}, SHAPE, clock=clock
    )


def test_candidates_and_what_they_grow_into_are_measured(architecture: Architecture) -> None:
    network = build(architecture)
    latency = measured(network, architecture)
    assert network.training
    # Of 16 samples, half is 8: reached by five taps four apart, and by 17 next to each other.
    assert {"dw k3 d4", "dw k5 d4", "identity", "dw k5 d1", "dw k17 d1"} <= set(latency.table[EDGE])
    assert "dw k7 d4" not in latency.table[EDGE]
    assert latency.on(EDGE, "dw k7 d4") == float("inf")
    assert all(0 < seconds < 1 for of in latency.table.values() for seconds in of.values())
    changed = architecture.with_operations({EDGE: "identity"})
    assert latency.total(changed) - latency.total(architecture) == pytest.approx(
        latency.on(EDGE, "identity") - latency.on(EDGE, "dw k5 d1")
    )
    assert EdgeLatency(**latency.to_document()) == latency  # type: ignore[arg-type]


def test_what_can_never_keep_to_a_cap_is_not_measured(architecture: Architecture) -> None:
    network = build(architecture)
    costs = EdgeCosts.measured(network, architecture_edges(architecture), SHAPE)
    # No room for more than what is deployed, but where this edge makes some by having nothing.
    cap = costs.total(architecture.with_operations({EDGE: "identity"}))
    latency = EdgeLatency.measured(
        network, costs, {EDGE: ("dw k3 d4", "identity")}, SHAPE, most_macs=cap
    )
    assert set(latency.table[EDGE]) == {"dw k5 d1", "dw k3 d4", "identity"}
    free = measured(network, architecture)
    assert set(latency.table[EDGE]) < set(free.table[EDGE])


def test_times_are_scaled_as_a_whole(architecture: Architecture) -> None:
    latency = measured(build(architecture), architecture)
    twice = latency.scaled(2)
    assert twice.total(architecture) == pytest.approx(2 * latency.total(architecture))
    assert twice.on(EDGE, "identity") == pytest.approx(2 * latency.on(EDGE, "identity"))


def test_a_network_that_rests_takes_longer(architecture: Architecture) -> None:
    quick, slow = build(architecture), nn.Sequential(build(architecture), Sleepy(0.05))
    assert times_as_long(slow, quick, SHAPE) > 1
    assert times_as_long(quick, slow, SHAPE) < 1


class Sleepy(nn.Module):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds)
        return x


def test_what_is_no_edge_counts_too(architecture: Architecture) -> None:
    network = build(architecture)
    plain = measured(network, architecture)
    network.stem = nn.Sequential(Sleepy(0.1), network.get_submodule("stem"))
    slow = measured(network, architecture, clock=SystemClock())
    assert slow.fixed > plain.fixed
    assert slow.fixed > 0.09
