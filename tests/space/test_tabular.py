"""The network for streams of feature vectors."""

from pathlib import Path

import pytest
import torch
from torch import nn

from adaptd.architecture import Architecture, Contract, Setting
from adaptd.space.edges import edges_of
from adaptd.space.export import export, load_network
from adaptd.space.heads import fit_targets
from adaptd.space.network import build, initial_architecture, morph
from adaptd.space.standardise import fit_standardisation
from adaptd.space.tabular import network

NETWORK = "adaptd.space.tabular:network"
EMBEDDINGS = ("linear", "bins", "periodic")
every_embedding = pytest.mark.parametrize("embedding", EMBEDDINGS)


def raw(count: int = 64) -> torch.Tensor:
    """Far from standardised, the second feature skewed."""
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return torch.stack((500 + 30 * x[:, 0], (3 * x[:, 1]).exp(), 1e-4 * x[:, 2]), 1)


@every_embedding
def test_one_row_comes_a_record_and_a_record_is_judged_alone_in_evaluation(embedding: str) -> None:
    model = network(features=3, classes=4, width=8, embedding=embedding)
    fit_standardisation(model, raw())
    model(raw())
    model.eval()
    logits = model(raw())
    assert logits.shape == (64, 4)
    torch.testing.assert_close(logits[5:6], model(raw()[5:6]))


def test_its_edges_are_named_by_block_and_a_greater_depth_renames_none() -> None:
    model = network(features=3, classes=2, width=8, depth=3)
    assert {name: str(edge.operation) for name, edge in edges_of(model).items()} == {
        f"blocks.{block}.edges.{edge}": "linear" for block in range(3) for edge in range(3)
    }


@every_embedding
def test_the_units_of_a_feature_do_not_matter(embedding: str) -> None:
    architecture = Architecture(
        NETWORK, {"features": 3, "classes": 2, "width": 8, "embedding": embedding}
    )
    outcomes = []
    for scale, shift in ((1.0, 0.0), (1000.0, -7.0)):
        model = build(architecture).eval()
        fit_standardisation(model, scale * raw() + shift)
        outcomes.append(model(scale * raw() + shift))
    torch.testing.assert_close(*outcomes, atol=1e-3, rtol=1e-3)


@every_embedding
def test_a_regression_in_any_units_is_learnt(embedding: str) -> None:
    x = raw()
    target = 1e5 + 1e4 * torch.stack(((x[:, 0] - 500) / 30, (x[:, 1] + 1).log()), 1)
    settings: dict[str, Setting] = {
        "features": 3,
        "targets": 2,
        "width": 16,
        "embedding": embedding,
    }
    model = build(Architecture(NETWORK, settings))
    fit_standardisation(model, x)
    fit_targets(model, target)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = nn.functional.mse_loss(model(x), target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * float(target.var(0).mean()) < losses[0]


@pytest.mark.parametrize("operation", ["identity", "zero", "diagonal", "lowrank r3", "block b2"])
def test_a_morph_to_the_full_matrix_computes_what_the_old_network_did(operation: str) -> None:
    settings: dict[str, Setting] = {"features": 3, "classes": 2, "width": 8}
    source = initial_architecture(NETWORK, settings, operation)
    model = build(source)
    fit_standardisation(model, raw())
    model(raw())
    target = source.with_operations(dict.fromkeys(source.operations, "linear"))
    successor = morph(model, source, target)
    torch.testing.assert_close(successor.eval()(raw()), model.eval()(raw()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": 0, "classes": 2}, "features, width and depth >= 1"),
        ({"features": 3, "classes": 2, "depth": 0}, "features, width and depth >= 1"),
        ({"features": 3}, "either classes or targets"),
        ({"features": 3, "classes": 2, "embedding": "fourier"}, "embedding must be"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Setting], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(Architecture(NETWORK, settings))


@pytest.mark.slow
@every_embedding
def test_an_exported_network_predicts_what_torch_does(embedding: str, tmp_path: Path) -> None:
    settings: dict[str, Setting] = {
        "features": 3,
        "classes": 2,
        "width": 32,
        "embedding": embedding,
    }
    operations = ("lowrank r8", "diagonal", "block b4", "cross r8", "glu", "resmlp e2")
    architecture = initial_architecture(NETWORK, settings)
    architecture = architecture.with_operations(
        dict(zip(architecture.operations, operations, strict=True))
    )
    model = build(architecture)
    fit_standardisation(model, raw())
    model(raw())
    export(model, architecture, Contract(("a", "b", "c"), (3,), ("no", "yes")), tmp_path)
    loaded, its_architecture = load_network(tmp_path)
    assert its_architecture == architecture
    torch.testing.assert_close(loaded(raw()), model.eval()(raw()))
