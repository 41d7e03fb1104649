"""The space of DARTS."""

import pytest
import torch
from torch.nn import functional

from adaptd.architecture import Architecture, Setting
from adaptd.space.cells.darts import CANDIDATES, group_of, reductions, reopening
from adaptd.space.cells.genotype import Genotype
from adaptd.space.cost import EdgeCosts, count_macs
from adaptd.space.edges import edges_of
from adaptd.space.network import build, initial_architecture
from adaptd.space.operation import LinearOperation, parse_operation
from adaptd.space.supernet import Supernet

CELLS = 3


def architecture_of(dimensions: int) -> Architecture:
    settings: dict[str, Setting] = {"in_channels": 2, "classes": 3, "width": 4}
    return initial_architecture(
        "adaptd.space.cells.darts:network", {**settings, "cells": CELLS, "dimensions": dimensions}
    )


def records(dimensions: int, count: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, *(12, 9)[:dimensions], generator=generator)


both = pytest.mark.parametrize("dimensions", [1, 2])


@both
def test_logits_and_the_shapes_of_all_cells(dimensions: int) -> None:
    network = build(architecture_of(dimensions))
    shapes = []
    for cell in network.get_submodule("cells").children():
        cell.register_forward_hook(lambda _cell, _inputs, outcome: shapes.append(outcome.shape))
    assert network(records(dimensions)).shape == (6, 3)
    assert [shape[1] for shape in shapes] == [16, 32, 64]
    assert [tuple(shape[2:]) for shape in shapes] == [
        lengths[:dimensions] for lengths in ((12, 9), (6, 5), (3, 3))
    ]


def test_reductions_lie_at_one_and_two_thirds() -> None:
    assert reductions(8) == {2, 5}
    assert reductions(20) == {6, 13}
    assert reductions(2) == set()


def test_only_edges_from_what_enters_a_reduction_have_its_stride() -> None:
    edges = edges_of(build(architecture_of(2)))
    strides = [getattr(edges[f"cells.1.edges.{place}"].site, "stride", None) for place in range(14)]
    assert strides == [2, 2, 2, 2, 1, 2, 2, 1, 1, 2, 2, 1, 1, 1]
    assert len(edges) == 14 * CELLS


def test_the_network_it_starts_from_is_that_of_a_genotype() -> None:
    operations = architecture_of(2).operations
    genotype = Genotype.of(operations, reductions=reductions(CELLS))
    assert genotype.normal == (("sep_conv k3", 0), ("sep_conv k3", 1)) * 4
    assert genotype.operations(cells=CELLS, reductions=reductions(CELLS)) == dict(operations)


def test_its_dilated_convolutions_alone_merge() -> None:
    merging = [text for text in CANDIDATES if isinstance(parse_operation(text), LinearOperation)]
    assert merging == ["dw k3 d2", "dw k5 d2"]
    assert len(CANDIDATES) == 8


@both
def test_the_supernet_starts_at_the_network_and_ends_at_a_genotype(dimensions: int) -> None:
    architecture = architecture_of(dimensions)
    network = build(architecture)
    network(records(dimensions, 16))
    supernet = Supernet.reopen(network, reopening(cells=CELLS)).eval()
    x = records(dimensions)
    torch.testing.assert_close(supernet(x), network.eval()(x), atol=1e-5, rtol=1e-5)
    assert set(supernet.alphas()) == {
        f"{kind}.{edge}" for kind in ("normal", "reduction") for edge in range(14)
    }
    genotype = Genotype.derive(supernet.alphas())
    assert genotype == Genotype.of(architecture.operations, reductions=reductions(CELLS))
    operations = genotype.operations(cells=CELLS, reductions=reductions(CELLS))
    supernet.fold(operations)
    supernet.anneal(0)
    torch.testing.assert_close(supernet.discretise()(x), network(x), atol=1e-5, rtol=1e-5)


def test_cells_of_a_kind_are_tied() -> None:
    opened = reopening(cells=CELLS)
    assert len(opened.candidates) == 14 * CELLS
    assert opened.edges("normal.3") == ("cells.0.edges.3",)
    assert opened.edges("reduction.3") == ("cells.1.edges.3", "cells.2.edges.3")
    assert group_of(4, 0, cells=8) == "normal.0"


def test_costs_foretell_the_count_of_a_genotype() -> None:
    architecture = architecture_of(2)
    costs = EdgeCosts.of(architecture, (2, 12, 9))
    genotype = Genotype(
        (("maxpool k3", 0), ("dw k5 d2", 1), ("skip", 0), ("sep_conv k5", 2)) * 2,
        (("skip", 0), ("avgpool k3", 1), ("dw k3 d2", 0), ("sep_conv k3", 1)) * 2,
    )
    changed = architecture.with_operations(
        genotype.operations(cells=CELLS, reductions=reductions(CELLS))
    )
    assert costs.total(changed) == count_macs(changed, (2, 12, 9))


@pytest.mark.slow
@both
def test_a_few_steps_of_training_lower_the_loss_of_the_supernet(dimensions: int) -> None:
    target = torch.arange(12) % 3
    x = records(dimensions, 12) + 2 * target.view(-1, *(1,) * (1 + dimensions))
    network = build(architecture_of(dimensions))
    supernet = Supernet.reopen(network, reopening(cells=CELLS))
    supernet.equalise()
    optimiser = torch.optim.Adam(supernet.parameters(), lr=0.02)
    losses = []
    for _ in range(10):
        optimiser.zero_grad()
        loss = functional.cross_entropy(supernet(x), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])


@pytest.mark.parametrize(
    "wrong", [{"cells": 0}, {"width": 0}, {"classes": 1}, {"dimensions": 3}, {"in_channels": 0}]
)
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    settings = {**architecture_of(2).settings, **wrong}
    with pytest.raises(ValueError, match="network needs in_channels"):
        build(Architecture("adaptd.space.cells.darts:network", settings))
