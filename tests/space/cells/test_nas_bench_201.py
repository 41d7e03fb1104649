"""The space of NAS-Bench-201."""

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from adaptd.architecture import Architecture, Setting
from adaptd.space.cells.nas_bench_201 import (
    CANDIDATES,
    cell_of,
    decode,
    encode,
    every_cell,
    operations_of,
    random_cell,
    reopening,
)
from adaptd.space.cost import EdgeCosts, count_macs
from adaptd.space.network import build, initial_architecture
from adaptd.space.relaxation import SOFT
from adaptd.space.supernet import Supernet

NETWORK = "adaptd.space.cells.nas_bench_201:network"
SHAPE = (3, 32, 32)
cells = st.integers(0, 2**32).map(lambda seed: random_cell(random.Random(seed)))


def architecture_of(dimensions: int, cell: tuple[str, ...] | None = None) -> Architecture:
    settings: dict[str, Setting] = {"in_channels": 2, "classes": 3, "width": 4, "cells": 1}
    initial = initial_architecture(NETWORK, {**settings, "dimensions": dimensions})
    return initial if cell is None else initial.with_operations(operations_of(cell, cells=1))


def records(dimensions: int, count: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, *(9, 12)[:dimensions], generator=generator)


def logits_of(cell: tuple[str, ...]) -> torch.Tensor:
    logits: torch.Tensor = build(architecture_of(2, cell)).eval()(records(2))
    return logits


both = pytest.mark.parametrize("dimensions", [1, 2])


def test_there_are_five_to_the_sixth_cells_each_with_a_string_of_its_own() -> None:
    strings = {encode(cell) for cell in every_cell()}
    assert len(strings) == 5**6 == 15_625


@given(cells, st.integers(1, 3))
def test_string_and_operations_are_one_to_one(cell: tuple[str, ...], depth: int) -> None:
    assert decode(encode(cell)) == cell
    assert cell_of(operations_of(cell, cells=depth)) == cell


def test_a_string_reads_as_in_the_benchmark() -> None:
    text = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    cell = ("nor_conv k3", "none", "nor_conv k1", "skip", "avgpool k3", "nor_conv k3")
    assert decode(text) == cell
    assert encode(cell) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|nor_conv_3x3~0|",
        "|nor_conv_3x3~0|+|none~0|none~0|+|none~0|none~1|none~2|",
        "|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "nor_conv_3x3~0+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|none~0|+|none~1|+|none~0|none~1|none~2|",
    ],
)
def test_a_string_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no cell of NAS-Bench-201"):
        decode(text)


def test_what_is_no_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="a cell is six of"):
        encode(("skip",) * 5)
    with pytest.raises(ValueError, match="a cell is six of"):
        encode(("identity",) * 6)
    operations = {**operations_of(("skip",) * 6, cells=1), "cells.2.edges.0": "none"}
    with pytest.raises(ValueError, match="are the same, got 2"):
        cell_of(operations)


@both
def test_stages_halve_the_resolution_and_double_the_channels(dimensions: int) -> None:
    network = build(architecture_of(dimensions))
    shapes = []
    for cell in network.get_submodule("cells").children():
        cell.register_forward_hook(lambda _cell, _inputs, outcome: shapes.append(outcome.shape))
    assert network(records(dimensions)).shape == (6, 3)
    assert [shape[1] for shape in shapes] == [4, 8, 16]
    assert [tuple(shape[2:]) for shape in shapes] == [
        lengths[:dimensions] for lengths in ((9, 12), (5, 6), (3, 3))
    ]


def test_each_edge_leads_where_the_string_says() -> None:
    nothing = ("none",) * 6
    only_direct = ("none", "none", "none", "skip", "none", "none")
    by_node_one = ("skip", "none", "none", "none", "skip", "none")
    dead_end = ("skip", "skip", "skip", "none", "none", "none")
    torch.testing.assert_close(logits_of(by_node_one), logits_of(only_direct))
    torch.testing.assert_close(logits_of(dead_end), logits_of(nothing))
    assert not torch.allclose(logits_of(only_direct), logits_of(nothing))


@pytest.mark.parametrize(
    ("text", "weights", "macs"),
    [
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 73_306, 7.783e6),
        (
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|"
            "+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
            802_426,
            113.951e6,
        ),
    ],
)
def test_weights_and_macs_of_a_full_network_are_those_the_benchmark_states(
    text: str, weights: int, macs: float
) -> None:
    # 5 cells a stage, 16 channels, CIFAR-10.
    initial = initial_architecture(NETWORK, {"in_channels": 3, "classes": 10})
    architecture = initial.with_operations(operations_of(decode(text), cells=5))
    assert sum(one.numel() for one in build(architecture).parameters()) == weights
    assert count_macs(architecture, SHAPE) == pytest.approx(macs, rel=1e-4)


def test_costs_foretell_the_count_of_any_cell() -> None:
    costs = EdgeCosts.of(architecture_of(2), (2, 9, 12))
    for seed in range(5):
        architecture = architecture_of(2, random_cell(random.Random(seed)))
        assert costs.total(architecture) == count_macs(architecture, (2, 9, 12))


@both
def test_the_supernet_starts_at_the_network_and_all_cells_are_tied(dimensions: int) -> None:
    cell = ("nor_conv k3", "skip", "nor_conv k1", "none", "avgpool k3", "nor_conv k3")
    network = build(architecture_of(dimensions, cell))
    network(records(dimensions, 16))
    supernet = Supernet.reopen(network, reopening(cells=1))
    x = records(dimensions)
    torch.testing.assert_close(supernet.eval()(x), network.eval()(x), atol=1e-5, rtol=1e-5)
    assert list(supernet.alphas()) == [str(edge) for edge in range(6)]
    assert all(tuple(weights) == CANDIDATES for weights in supernet.alphas().values())


@pytest.mark.slow
@both
def test_a_few_steps_of_training_lower_the_loss_of_the_supernet(dimensions: int) -> None:
    target = torch.arange(12) % 3
    x = records(dimensions, 12) + 2 * target.view(-1, *(1,) * (1 + dimensions))
    network = build(architecture_of(dimensions))
    supernet = Supernet.reopen(network, reopening(cells=1), relaxation=SOFT)
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
        build(Architecture(NETWORK, settings))
