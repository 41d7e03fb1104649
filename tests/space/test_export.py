"""A network as files."""

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from adaptd.architecture import Architecture, Contract
from adaptd.errors import ArtifactError
from adaptd.space.export import export, load_network
from adaptd.space.network import build, initial_architecture
from adaptd.space.standardise import fit_standardisation

CONTRACT = Contract(features=("x0",), shape=(1, 32), classes=("a", "b", "c"))


@pytest.fixture
def architecture() -> Architecture:
    settings = {"in_channels": 1, "classes": 3, "width": 4}
    return initial_architecture(
        "adaptd.space.sequence:convnet", settings, "dw k5 d4"
    ).with_operations({"cells.0.edges.1": "dw k1 d1"})


@pytest.fixture
def raw() -> torch.Tensor:
    """Far from standardised."""
    return 500 + 30 * torch.randn(40, 1, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network(architecture: Architecture, raw: torch.Tensor) -> nn.Module:
    network = build(architecture, seed=1)
    fit_standardisation(network, raw)
    network(raw)
    return network


@pytest.mark.slow
def test_an_exported_release_predicts_on_raw_records_what_torch_does_for_any_batch(
    tmp_path: Path, network: nn.Module, architecture: Architecture, raw: torch.Tensor
) -> None:
    directory = tmp_path / "deep" / "release"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export(network, architecture, CONTRACT, directory)
    assert sorted(path.name for path in directory.iterdir()) == [
        "architecture.json",
        "model.onnx",
        "weights.safetensors",
    ]
    assert network.training, "exporting must leave the mode as it was"
    session = onnxruntime.InferenceSession(directory / "model.onnx")
    with torch.no_grad():
        expected = network.eval()(raw).numpy()
    for count in (1, 2, 40):
        (logits,) = session.run(["logits"], {"x": raw[:count].numpy()})
        np.testing.assert_allclose(logits, expected[:count], atol=1e-4)

    graph = onnx.load(directory / "model.onnx")
    assert [opset.version for opset in graph.opset_import if not opset.domain] == [18]
    groups = [
        attribute.i
        for node in graph.graph.node
        if node.op_type == "Conv"
        for attribute in node.attribute
        if attribute.name == "group"
    ]
    assert groups.count(4) == 6, "each edge keeps its depthwise convolution as one"
    assert str(Path(__file__).parent).encode() not in (directory / "model.onnx").read_bytes()

    loaded, its_architecture = load_network(directory)
    assert its_architecture == architecture
    assert not loaded.training
    with torch.no_grad():
        torch.testing.assert_close(loaded(raw).numpy(), expected)


def test_a_network_that_does_not_fit_its_contract_is_refused(
    tmp_path: Path, network: nn.Module, architecture: Architecture
) -> None:
    with pytest.raises(ArtifactError, match=r"gives \[3\] logits .* has 2 classes"):
        export(network, architecture, replace(CONTRACT, classes=("a", "b")), tmp_path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_network_whose_training_diverged_is_refused(
    tmp_path: Path, network: nn.Module, architecture: Architecture, value: float
) -> None:
    with torch.no_grad():
        list(network.parameters())[-1].fill_(value)
    with pytest.raises(ArtifactError, match="not finite"):
        export(network, architecture, CONTRACT, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_missing_damaged_or_of_another_network_are_named(
    tmp_path: Path, network: nn.Module, architecture: Architecture
) -> None:
    with pytest.raises(ArtifactError, match=r"architecture\.json"):
        load_network(tmp_path)
    (tmp_path / "architecture.json").write_text(architecture.to_json())
    with pytest.raises(ArtifactError, match=r"weights\.safetensors"):
        load_network(tmp_path)
    save_file(dict(network.state_dict()), tmp_path / "weights.safetensors")
    load_network(tmp_path)
    other = architecture.with_operations({"cells.0.edges.1": "dw k9 d1"})
    (tmp_path / "architecture.json").write_text(other.to_json())
    with pytest.raises(ArtifactError, match=r"(?s)weights\.safetensors: .*depthwise"):
        load_network(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"torn")
    with pytest.raises(ArtifactError, match=r"weights\.safetensors"):
        load_network(tmp_path)
    (tmp_path / "architecture.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"architecture\.json"):
        load_network(tmp_path)
