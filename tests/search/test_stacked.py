"""Training several networks of one structure at once."""

import copy
from collections import defaultdict
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from adaptd.search.stacked import MembersDiverged, train_stacked
from adaptd.search.training import Samples, TrainingDiverged, train
from adaptd.space.network import build, initial_architecture
from adaptd.space.standardise import fit_standardisation

OPERATIONS = ("dw k3 d1", "dw k5 d4", "dw k7 d1")


def samples_of(n: int, length: int, dtype: torch.dtype = torch.float64) -> Samples:
    """The class is the frequency, out of noise."""
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(3, (n,), generator=generator)
    phase = 6 * torch.rand(n, 2, 1, generator=generator)
    wave = torch.sin(torch.arange(length) * (0.2 + 0.3 * target[:, None, None]) + phase)
    return Samples((wave + torch.randn(wave.shape, generator=generator)).to(dtype), target)


def remedies(samples: Samples) -> list[nn.Module]:
    """Two networks of one architecture, two of others; each has its own normaliser."""
    settings = {"in_channels": 2, "classes": 3, "width": 4}
    start = initial_architecture("adaptd.space.sequence:convnet", settings, OPERATIONS[0])
    edges = list(start.operations)
    architectures = [
        start,
        start,
        start.with_operations({edges[1]: OPERATIONS[1]}),
        start.with_operations({edge: OPERATIONS[number % 3] for number, edge in enumerate(edges)}),
    ]
    networks = []
    for seed, architecture in enumerate(architectures):
        network = build(architecture, seed=seed).to(samples.x.dtype)
        fit_standardisation(network, samples.x[seed * 10 :])
        networks.append(network)
    return networks


def small_networks(*parts: nn.Module, inputs: int = 24) -> list[nn.Module]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return [
            nn.Sequential(
                nn.Flatten(), nn.Linear(inputs, 8), copy.deepcopy(part), nn.ReLU(), nn.Linear(8, 3)
            ).double()
            for part in parts
        ]


def assert_same(networks: list[nn.Module], others: list[nn.Module]) -> None:
    for network, other in zip(networks, others, strict=True):
        torch.testing.assert_close(network.state_dict(), other.state_dict(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("length", [24, 80])
def test_stacked_networks_get_the_weights_they_get_alone(length: int, is_weighted: bool) -> None:
    # In float64: in float32, 100 steps turn a difference of one rounding into one of 1e-3.
    samples = samples_of(150, length)
    if is_weighted:
        samples = replace(samples, weight=torch.linspace(1, 5, 150))
    stacked, alone = remedies(samples), remedies(samples)
    assert train_stacked(stacked, samples, steps=20, seed=3) is None
    for network in alone:
        train(network, samples, steps=20, seed=3)
    assert_same(stacked, alone)
    assert all(network.training for network in stacked)


def test_in_single_precision_the_losses_are_the_same_to_rounding() -> None:
    samples = samples_of(150, 24, torch.float32)
    seen: dict[int, list[float]] = defaultdict(list)
    train_stacked(
        remedies(samples),
        samples,
        steps=10,
        seed=3,
        progress=lambda member, _step, loss: seen[member].append(loss),
    )
    for member, network in enumerate(remedies(samples)):
        losses: list[float] = []
        train(
            network,
            samples,
            steps=10,
            seed=3,
            progress=lambda _step, loss, losses=losses: losses.append(loss),  # type: ignore[misc]
        )
        assert seen[member] == pytest.approx(losses, rel=1e-4)


def test_rate_and_weight_decay_are_those_asked_for() -> None:
    samples = samples_of(100, 12)
    stacked, alone = (small_networks(nn.Identity(), nn.Identity()) for _ in range(2))
    train_stacked(stacked, samples, steps=8, seed=0, rate=0.05, weight_decay=0.5)
    for network in alone:
        train(network, samples, steps=8, seed=0, rate=0.05, weight_decay=0.5)
    assert_same(stacked, alone)


def test_dense_answers_are_trained_too() -> None:
    samples = samples_of(70, 12)
    dense = Samples(samples.x, (samples.x.mean(1) > 0).long())

    def networks() -> list[nn.Module]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            return [nn.Sequential(nn.Conv1d(2, 2, 3, padding=1)).double() for _ in range(2)]

    stacked, alone = networks(), networks()
    assert train_stacked(stacked, dense, steps=5, seed=0) is None
    for network in alone:
        train(network, dense, steps=5, seed=0)
    assert_same(stacked, alone)


def test_what_cannot_be_stacked_is_trained_in_turn_and_told() -> None:
    samples = samples_of(100, 12)
    stacked, alone = (small_networks(nn.Dropout(0.3), nn.Dropout(0.3)) for _ in range(2))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        reason = train_stacked(stacked, samples, steps=5, seed=0)
        torch.manual_seed(5)
        for network in alone:
            train(network, samples, steps=5, seed=0)
    assert reason is not None
    assert "chance" in reason
    torch.testing.assert_close(stacked[1].state_dict(), alone[1].state_dict(), rtol=0, atol=0)


def test_a_single_network_is_trained_alone() -> None:
    samples = samples_of(100, 12)
    (stacked,), (alone,) = small_networks(nn.Identity()), small_networks(nn.Identity())
    assert train_stacked([stacked], samples, steps=5, seed=0) == (
        "a single network is trained alone"
    )
    train(alone, samples, steps=5, seed=0)
    torch.testing.assert_close(stacked.state_dict(), alone.state_dict(), rtol=0, atol=0)


def test_each_member_reports_each_of_its_steps() -> None:
    for part in (nn.Identity(), nn.Dropout(0.3)):
        seen: dict[int, list[int]] = defaultdict(list)
        train_stacked(
            small_networks(part, part, part),
            samples_of(100, 12),
            steps=4,
            seed=0,
            progress=lambda member, step, _loss, seen=seen: seen[member].append(step),  # type: ignore[misc]
        )
        assert seen == {0: [1, 2, 3, 4], 1: [1, 2, 3, 4], 2: [1, 2, 3, 4]}


class Exploding(nn.Module):
    """Gives infinity once its input has been seen often enough, if it is to."""

    seen: Tensor
    last: Tensor

    def __init__(self, last: float) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("last", torch.tensor(last))

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add_(1)
        return x * torch.where(self.seen > self.last, torch.inf, 1.0)


@pytest.mark.parametrize("part", [nn.Identity(), nn.Dropout(0.3)])
def test_one_that_diverges_stops_as_it_is_and_the_others_go_on(part: nn.Module) -> None:
    samples = samples_of(100, 12)

    def networks() -> list[nn.Module]:
        explosions = (Exploding(99), Exploding(3), Exploding(99))
        return small_networks(*(nn.Sequential(part, one) for one in explosions))

    stacked, alone = networks(), networks()
    steps: dict[int, int] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        with pytest.raises(
            MembersDiverged, match=r"network 1: the loss is nan at step 3"
        ) as caught:
            train_stacked(
                stacked,
                samples,
                steps=6,
                seed=0,
                progress=lambda member, step, _: steps.update({member: step}),
            )
        assert list(caught.value.members) == [1]
        assert steps == {0: 6, 1: 3, 2: 6}
        torch.manual_seed(5)
        train(alone[0], samples, steps=6, seed=0)
        with pytest.raises(TrainingDiverged, match="the loss is nan at step 3"):
            train(alone[1], samples, steps=6, seed=0)
        train(alone[2], samples, steps=6, seed=0)
    assert_same(stacked, alone)


def test_if_all_diverge_all_are_named() -> None:
    samples = samples_of(100, 12)
    samples.x[:] = float("nan")
    with pytest.raises(MembersDiverged, match=r"network 0: .* step 0.*network 1: .* step 0"):
        train_stacked(small_networks(nn.Identity(), nn.Identity()), samples, steps=3, seed=0)
