"""What an inspection says of a network, held against the network opened in earnest."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from adaptd.space.cost import count_macs, saved_activation_bytes
from adaptd.space.inspection import Inspection, inspect
from adaptd.space.network import build, initial_architecture, resolve
from adaptd.space.openable import openable_edges
from adaptd.space.operation import parse_operation
from adaptd.space.supernet import Reopening, Supernet
from tests.networks import FOREIGN

BATCH = 24
SMALL = ("plain_cnn", "group_norm_1d", "odd_kernels", "perceptron", "recurrent")
LARGE = ("residual", "mobile_1d", "unet", "unet_1d")
ALL = [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]


def network_of(name: str) -> nn.Module:
    foreign = FOREIGN[name]
    torch.manual_seed(0)
    network: nn.Module = resolve(foreign.factory)(**foreign.settings)
    return network


def energy(answer: Tensor, _: Tensor) -> Tensor:
    return answer.square().sum()


def kept(network: nn.Module, shape: tuple[int, ...], batch: int) -> int:
    return saved_activation_bytes(
        network, torch.randn(batch, *shape), torch.zeros(batch), loss=energy
    )


def opened(network: nn.Module, shape: tuple[int, ...], found: Inspection, *names: str) -> Supernet:
    candidates = {
        edge.name: tuple(candidate.operation for candidate in edge.candidates)
        for edge in found.edges
        if not names or edge.name in names
    }
    reopening = Reopening(candidates, {name: name for name in candidates})
    return Supernet.reopen(network, reopening, edges=openable_edges(network, shape))


@pytest.mark.parametrize("name", ALL)
def test_bytes_are_those_of_the_training_step_at_the_full_batch(name: str) -> None:
    network, shape = network_of(name), FOREIGN[name].shape
    found = inspect(network, shape, batch=BATCH)
    deployed = kept(network, shape, BATCH)
    assert found.step_bytes == deployed
    for edge in found.edges:
        alone = kept(opened(network, shape, found, edge.name), shape, BATCH)
        assert edge.open_bytes == alone - deployed, edge.name
    # Edges of the same taps share some indices: under two kilobytes in these networks.
    together = kept(opened(network, shape, found), shape, BATCH) - deployed
    assert found.open_bytes - 2048 <= together <= found.open_bytes


def test_opening_a_merged_edge_costs_the_same_at_any_batch() -> None:
    network, shape = network_of("plain_cnn"), FOREIGN["plain_cnn"].shape
    small, large = (inspect(network, shape, batch=batch) for batch in (2, 512))
    assert [one.open_bytes for one in small.edges] == [one.open_bytes for one in large.edges]
    assert large.step_bytes > 200 * small.step_bytes


@pytest.mark.parametrize("name", ALL)
def test_multiply_accumulates_are_those_of_the_network_with_the_candidate(name: str) -> None:
    network, shape = network_of(name), FOREIGN[name].shape
    found = inspect(network, shape)
    edges = openable_edges(network, shape)
    assert found.macs == count_macs(network, shape)
    for edge in found.edges:
        for candidate in edge.candidates:
            changed = copy.deepcopy(network)
            site = edges[edge.name].site
            changed.set_submodule(edge.name, site.place(parse_operation(candidate.operation)))
            expected = count_macs(changed, shape) - found.macs + edge.macs
            if candidate.operation.startswith("block"):
                # Not traced: the module is neither a convolution nor a linear layer.
                expected = edge.macs // int(candidate.operation[-1])
            elif candidate.operation == "diagonal":
                expected = edges[edge.name].site.outputs  # type: ignore[attr-defined]
            assert candidate.macs == expected, (edge.name, candidate)


def test_an_edge_is_described() -> None:
    found = inspect(network_of("odd_kernels"), FOREIGN["odd_kernels"].shape)
    edge = found.edges[3]
    assert (edge.name, edge.kind, edge.operation) == ("features.6", "Conv2d", "conv k3 d1x2")
    assert (edge.inputs, edge.outputs, edge.groups) == (8, 8, 4)
    assert (edge.shape, edge.rows) == ((8, 8, 15), 1)
    assert edge.candidates[0].operation == edge.operation
    assert edge.candidates[0].macs == edge.macs
    assert all(candidate.merges for candidate in edge.candidates)
    assert edge.merged_share == found.merged_share == 1


def test_an_operation_that_does_not_merge_lowers_the_share() -> None:
    found = inspect(network_of("perceptron"), FOREIGN["perceptron"].shape)
    edge = found.edges[0]
    half = replace(edge, candidates=(edge.candidates[0], replace(edge.candidates[1], merges=False)))
    assert replace(found, edges=(half,)).merged_share == 0.5


def test_rows_of_a_record_count_each() -> None:
    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            answers: Tensor = self.conv(x.flatten(0, 1))
            return answers.reshape(*x.shape[:2], 4, 8, 8)

    network, shape = Frames(), (5, 3, 8, 8)
    found = inspect(network, shape, batch=BATCH)
    assert found.edges[0].macs == found.macs == 5 * 64 * 9 * 3 * 4
    assert found.step_bytes == kept(network, shape, BATCH)
    alone = kept(opened(network, shape, found), shape, BATCH)
    assert found.edges[0].open_bytes == alone - found.step_bytes


def test_networks_of_this_project_are_inspected_by_their_marks() -> None:
    architecture = initial_architecture(
        "adaptd.space.sequence:convnet", {"in_channels": 3, "classes": 4}
    )
    network = build(architecture)
    found = inspect(network, (3, 32), batch=BATCH)
    assert found.is_marked
    assert [edge.name for edge in found.edges] == list(architecture.operations)
    assert all(edge.inputs is None for edge in found.edges)
    name = found.edges[0].name
    alone = kept(opened(network, (3, 32), found, name), (3, 32), BATCH)
    assert found.edges[0].open_bytes == alone - kept(network, (3, 32), BATCH)


def test_only_the_named_edges_are_measured() -> None:
    network = network_of("idle")
    found = inspect(network, FOREIGN["idle"].shape, only=["head"])
    assert [edge.name for edge in found.edges] == ["head"]
    with pytest.raises(
        ValueError, match=r"'features\.1\.unused' cannot be opened: it is never called"
    ):
        inspect(network, FOREIGN["idle"].shape, only=["features.1.unused"])
    with pytest.raises(ValueError, match=r"there is no edge 'tail'; expected one of \['features"):
        inspect(network, FOREIGN["idle"].shape, only=["tail"])


def test_the_document_is_json_with_a_version() -> None:
    found = inspect(network_of("recurrent"), FOREIGN["recurrent"].shape)
    document = json.loads(json.dumps(found.to_document()))
    assert document["schema_version"] == 1
    assert document["shape"] == [3, 32]
    assert [edge["name"] for edge in document["edges"]] == ["conv", "head"]
    assert document["open_bytes"] == sum(edge["open_bytes"] for edge in document["edges"])
    assert document["refused"][0]["kind"] == "LSTM"


@pytest.mark.parametrize("is_training", [True, False])
def test_the_network_and_the_random_numbers_stay_as_they_were(is_training: bool) -> None:
    network = network_of("batch_norm").train(is_training)
    state = copy.deepcopy(network.state_dict())
    random = torch.get_rng_state()
    inspect(network, FOREIGN["batch_norm"].shape)
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), random)
    assert {module.training for module in network.modules()} == {is_training}


def test_what_cannot_be_measured_is_told() -> None:
    with pytest.raises(ValueError, match="at least one record, got batch 0"):
        inspect(network_of("perceptron"), (12,), batch=0)
    with pytest.raises(ValueError, match=r"cannot be trained on .*no part of the answer depends"):
        inspect(nn.ReLU(), (12,))
    with pytest.raises(ValueError, match=r"does not take records of shape \[11\]"):
        inspect(network_of("perceptron"), (11,))
