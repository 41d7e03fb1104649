import copy

import pytest
import torch
from torch import nn

from adaptd.search.recalibration import recalibrate, recalibrated_parameters
from adaptd.search.training import Samples, accuracy, train
from adaptd.space import build, fit_standardisation
from adaptd.space.baselines import resnet18
from adaptd.space.network import initial_architecture


def bumps(count: int, *, seed: int) -> Samples:
    """Two classes: one bump or two, somewhere in 32 samples of noise."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(0, 2, (count,), generator=generator)
    x = 0.3 * torch.randn(count, 1, 32, generator=generator)
    places = torch.randint(0, 12, (count,), generator=generator)
    rows = torch.arange(count)
    for width in range(4):
        x[rows, 0, places + width] += 2
        x[rows, 0, places + 14 + width] += 2 * target
    return Samples(x, target)


@pytest.fixture(scope="module")
def champion() -> nn.Module:
    settings = {"in_channels": 1, "classes": 2, "width": 8}
    architecture = initial_architecture(
        "adaptd.space.sequence:convnet", settings, operation="dw k5 d1"
    )
    network = build(architecture, seed=0)
    samples = bumps(600, seed=0)
    fit_standardisation(network, samples.x)
    train(network, samples, steps=150, seed=0)
    return network


def test_only_normalisations_and_the_head_are_touched(champion: nn.Module) -> None:
    network = copy.deepcopy(champion)
    recalibrate(network, bumps(200, seed=1), steps=5, seed=0)
    changed = {
        name
        for (name, before), after in zip(
            champion.named_parameters(), network.parameters(), strict=True
        )
        if not torch.equal(before, after)
    }
    assert {"head.weight", "head.bias"} < changed
    kinds = dict(network.named_modules())
    assert all(
        name.startswith("head.") or "Norm" in type(kinds[name.rpartition(".")[0]]).__name__
        for name in changed
    )
    assert any(not name.startswith("head.") for name in changed)
    assert len(changed) < len(list(network.parameters()))


def test_a_gain_and_an_offset_are_undone(champion: nn.Module) -> None:
    before = bumps(500, seed=2)
    after = Samples(before.x * 30 + 500, before.target)
    broken = accuracy(champion, after)
    network = copy.deepcopy(champion)
    records = bumps(300, seed=3)
    recalibrate(network, Samples(records.x * 30 + 500, records.target), steps=20, seed=0)
    assert broken < 0.7
    assert accuracy(network, after) > accuracy(champion, before) - 0.03


def test_it_finds_the_head_and_the_normalisations_of_any_network() -> None:
    network = resnet18(in_channels=3, classes=10, width=8)
    found = recalibrated_parameters(network)
    (weight,) = [one for one in found if one.ndim > 1]
    assert weight.shape[0] == 10
    # Of twenty batch norms, and the head.
    assert len(found) == 2 * 20 + 2
    bare = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    assert [one.shape for one in recalibrated_parameters(bare)] == [(2, 4), (2,)]
    assert recalibrated_parameters(nn.ReLU()) == []


def test_records_that_are_not_finite_are_refused(champion: nn.Module) -> None:
    x = torch.full((10, 1, 32), torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        recalibrate(
            copy.deepcopy(champion), Samples(x, torch.zeros(10, dtype=torch.int64)), steps=1, seed=0
        )
