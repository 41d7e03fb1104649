"""The network for images."""

from pathlib import Path

import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

from adaptd.architecture import Architecture, Contract, Setting
from adaptd.space.cost import EdgeCosts, count_macs, saved_activation_bytes
from adaptd.space.export import export, load_network
from adaptd.space.image import CANDIDATES
from adaptd.space.memory import step_bytes
from adaptd.space.network import build, initial_architecture
from adaptd.space.operation import LinearOperation, parse_operation
from adaptd.space.relaxation import MERGED, ONE_PATH
from adaptd.space.spaces import SPACES, merged_share
from adaptd.space.standardise import fit_standardisation
from adaptd.space.supernet import Reopening, Supernet

NETWORK = "adaptd.space.image:convnet"
LINEAR = ("identity", "avg k3", "dw k3 d1", "dw k5 d1", "dw k7 d1", "dw k3 d2", "dw k3 d3")
EDGES = [f"cells.{cell}.edges.{edge}" for cell in range(2) for edge in range(3)]


def architecture_of(**settings: Setting) -> Architecture:
    return initial_architecture(NETWORK, {"in_channels": 1, "classes": 4, "width": 8, **settings})


def reopened(network: nn.Module, candidates: tuple[str, ...]) -> Supernet:
    return Supernet.reopen(
        network, Reopening(dict.fromkeys(EDGES, candidates), {edge: edge for edge in EDGES})
    )


def records(count: int = 8, *, channels: int = 1, size: int = 14) -> torch.Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(0))


def test_the_candidates_are_twenty_seven_of_which_eight_merge() -> None:
    assert len(CANDIDATES) == 9 + 3 * 3 * 2
    linear = [text for text in CANDIDATES if isinstance(parse_operation(text), LinearOperation)]
    assert len(linear) == 8
    assert merged_share(SPACES["image"]) == 8 / 27
    network = build(architecture_of())
    assert {edge.merged_share for edge in reopened(network, CANDIDATES).mixed_edges().values()} == {
        8 / 27
    }


@pytest.mark.parametrize(
    ("settings", "edges"), [({}, 6), ({"depth": 2}, 12), ({"stages": 3}, 9), ({"stages": 1}, 3)]
)
def test_edges_are_three_a_cell_with_the_default_operation(
    settings: dict[str, Setting], edges: int
) -> None:
    architecture = architecture_of(**settings)
    assert list(architecture.operations.values()) == ["dw k3 d1"] * edges


@pytest.mark.parametrize("size", [(4, 4), (5, 9), (28, 28)])
@pytest.mark.parametrize(
    "settings", [{"stem_stride": 2}, {"stages": 3}, {"depth": 2}, {"resolution": 6}]
)
def test_logits_for_images_of_any_size(size: tuple[int, int], settings: dict[str, Setting]) -> None:
    network = build(architecture_of(**{"in_channels": 3, **settings}))
    x = torch.randn(5, 3, *size)
    assert network(x).shape == (5, 4)


def test_each_stage_has_half_the_resolution_and_twice_the_channels() -> None:
    network = build(architecture_of(stages=3, depth=2, stem_stride=2))
    seen: dict[str, torch.Size] = {}
    for name, cell in network.get_submodule("cells").named_children():
        cell.register_forward_hook(
            lambda _cell, _inputs, outcome, name=name: seen.update({name: outcome.shape[1:]})
        )
    network(records(2, size=28))
    assert list(seen) == ["0", "3", "1", "4", "2", "5"]
    assert list(seen.values())[::2] == [(8, 14, 14), (16, 7, 7), (32, 3, 3)]


def test_targets_are_in_their_own_units() -> None:
    network = build(Architecture(NETWORK, {"in_channels": 1, "targets": 2, "width": 4}))
    assert network(records(3)).shape == (3, 2)


@pytest.mark.parametrize(
    "wrong",
    [{"width": 0}, {"depth": 0}, {"stages": 0}, {"stem_stride": 0}, {"resolution": -1}],
)
def test_impossible_settings_are_refused(wrong: dict[str, Setting]) -> None:
    with pytest.raises(ValueError, match="convnet needs in_channels, width"):
        architecture_of(**wrong)


@pytest.mark.parametrize("deployed", ["dw k3 d1", "maxpool k3", "mbconv k5 e3 se"])
def test_with_all_weight_on_what_is_deployed_the_supernet_is_the_network(deployed: str) -> None:
    architecture = initial_architecture(NETWORK, architecture_of().settings, deployed)
    network = build(architecture)
    network(records(32))
    x = records()
    supernet = reopened(network, CANDIDATES)
    torch.testing.assert_close(supernet.eval()(x), network.eval()(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(supernet.train()(x), network.train()(x), atol=1e-5, rtol=1e-5)


def test_costs_foretell_the_count_of_any_architecture() -> None:
    architecture = architecture_of()
    costs = EdgeCosts.of(architecture, (1, 13, 14))
    for place, text in enumerate(CANDIDATES):
        changed = architecture.with_operations({EDGES[place % 6]: text})
        assert costs.total(changed) == count_macs(changed, (1, 13, 14)), text


@pytest.mark.slow
def test_a_few_steps_of_training_lower_the_loss_of_the_supernet() -> None:
    target = torch.arange(16) % 4
    x = records(16) + 2 * target.view(-1, 1, 1, 1)
    supernet = reopened(build(architecture_of()), CANDIDATES)
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


def test_a_training_step_of_merged_kernels_keeps_hardly_more_than_the_network() -> None:
    network = build(architecture_of(width=16, stem_stride=2))
    x, target = records(64, size=28), torch.arange(64) % 4
    supernet = reopened(network, LINEAR)
    supernet.equalise()
    deployed = saved_activation_bytes(network, x, target)
    assert saved_activation_bytes(supernet, x, target) <= 1.05 * deployed


def test_a_max_pool_among_the_candidates_keeps_hardly_more_than_a_place_a_pixel() -> None:
    network = build(architecture_of(width=16, stem_stride=2))
    x, target = records(64, size=28), torch.arange(64) % 4
    deployed = step_bytes(network, x, target)
    candidates = (*LINEAR, "maxpool k3")
    groups = {edge: edge for edge in EDGES}
    for relaxation, at_most in ((MERGED, 1.3), (ONE_PATH, 1.3)):
        supernet = Supernet.reopen(
            network, Reopening(dict.fromkeys(EDGES, candidates), groups), relaxation=relaxation
        )
        supernet.equalise()
        # Of the draw that keeps most.
        assert step_bytes(supernet, x, target) <= at_most * deployed


@pytest.mark.slow
def test_an_exported_network_predicts_what_torch_does(tmp_path: Path) -> None:
    texts = ("dw k5 d2", "maxpool k3", "mbconv k3 e3 se", "skip", "none", "avgpool k3")
    architecture = initial_architecture(
        NETWORK, {"in_channels": 2, "classes": 3, "width": 4}
    ).with_operations(dict(zip(EDGES, texts, strict=True)))
    network = build(architecture)
    raw = 500 + 30 * records(40, channels=2)
    fit_standardisation(network, raw)
    network(raw)
    contract = Contract(features=("x0", "x1"), shape=(2, 14, 14), classes=("a", "b", "c"))
    # `export` itself compares ONNX Runtime's logits with torch's.
    export(network, architecture, contract, tmp_path)
    operators = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert {"Conv", "MaxPool", "AveragePool"} <= set(operators)
    loaded, its_architecture = load_network(tmp_path)
    assert its_architecture == architecture
    torch.testing.assert_close(loaded(raw), network.eval()(raw))
