"""Trainees that are advanced as one."""

import copy

import pytest
import torch
from torch import nn

from adaptd.search.stacked_trainees import StackedTrainees
from adaptd.search.task import CLASSIFICATION
from adaptd.search.trainee import Trainee
from adaptd.search.training import Samples, TrainingDiverged
from adaptd.space import build, initial_architecture
from adaptd.space.stack import Unstackable

CLASSES = 3
# Of several lengths, so that one member has taps which another one lacks.
OPERATIONS = ("dw k3 d1", "dw k5 d1", "dw k5 d2")


@pytest.fixture
def samples() -> Samples:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 2, 24, generator=generator, dtype=torch.float64)
    return Samples(x, torch.randint(CLASSES, (200,), generator=generator))


def _trainees(samples: Samples) -> list[Trainee]:
    found = []
    for operation in OPERATIONS:
        architecture = initial_architecture(
            "adaptd.space.sequence:convnet",
            {"in_channels": 2, "classes": CLASSES, "width": 8},
            operation,
        )
        network = build(architecture, seed=0).double()
        found.append(_trainee(network, samples))
    return found


def _trainee(network: nn.Module, samples: Samples) -> Trainee:
    generator = torch.Generator().manual_seed(1)
    return Trainee(network, samples, task=CLASSIFICATION, generator=generator)


def _weights(trainee: Trainee) -> torch.Tensor:
    return torch.cat([one.detach().flatten() for one in trainee.network.state_dict().values()])


def test_they_get_the_weights_they_get_alone_also_by_turns(samples: Samples) -> None:
    alone, together = _trainees(samples), _trainees(samples)
    rates = [4e-3, 2e-3, 1e-3, 3e-3, 2e-3, 1e-3]
    losses = [[trainee.advance(rate) for trainee in alone] for rate in rates]

    # All three; then two of them, with what their optimisers remember; then each by itself.
    first = StackedTrainees(together)
    said = [first.advance(rate) for rate in rates[:2]]
    first.unstack()
    second = StackedTrainees(together[1:])
    later = [second.advance(rate) for rate in rates[2:4]]
    second.unstack()
    for rate in rates[4:]:
        for trainee in together[1:]:
            trainee.advance(rate)
    for rate in rates[2:]:
        together[0].advance(rate)

    assert said[1] == pytest.approx(losses[1], rel=1e-9)
    assert later[1] == pytest.approx(losses[3][1:], rel=1e-9)
    assert [trainee.done for trainee in together] == [len(rates)] * 3
    for ours, theirs in zip(together, alone, strict=True):
        torch.testing.assert_close(_weights(ours), _weights(theirs), rtol=1e-8, atol=1e-10)


def test_going_on_after_a_rest_changes_no_bit(samples: Samples) -> None:
    straight, rested = _trainees(samples), _trainees(samples)
    whole = StackedTrainees(straight)
    for _ in range(4):
        whole.advance(1e-3)
    whole.unstack()
    for _ in range(2):
        part = StackedTrainees(rested)
        part.advance(1e-3)
        part.advance(1e-3)
        part.unstack()

    for ours, theirs in zip(rested, straight, strict=True):
        assert torch.equal(_weights(ours), _weights(theirs))


class _Mixing(nn.Module):
    """What it says of a record depends on the others of its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Flatten()
        self.head = nn.Linear(48, CLASSES, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.flat(x))
        return outputs - outputs.mean(0)


class _WithAnIdleLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Flatten()
        self.head = nn.Linear(48, CLASSES, dtype=torch.float64)
        self.idle = nn.Linear(4, 4, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.flat(x))
        return outputs


def test_networks_whose_records_affect_each_other_are_refused(samples: Samples) -> None:
    with pytest.raises(Unstackable, match="affect each other"):
        StackedTrainees([_trainee(_Mixing(), samples) for _ in range(3)])


def test_a_layer_that_nothing_depends_on_stays_as_it_is(samples: Samples) -> None:
    networks = [_WithAnIdleLayer() for _ in range(3)]
    idle = networks[0].idle.weight.detach().clone()
    trainees = [_trainee(network, samples) for network in networks]
    for _ in range(2):
        stacked = StackedTrainees(trainees)
        stacked.advance(1e-3)
        stacked.unstack()
    assert torch.equal(networks[0].idle.weight, idle)


def test_without_a_step_nothing_is_changed(samples: Samples) -> None:
    trainees, alone = _trainees(samples), _trainees(samples)
    StackedTrainees(trainees).unstack()
    for ours, theirs in zip(trainees, alone, strict=True):
        assert torch.equal(_weights(ours), _weights(theirs))
        assert ours.advance(1e-3) == theirs.advance(1e-3)


def test_trainees_at_different_places_are_refused(samples: Samples) -> None:
    trainees = _trainees(samples)
    trainees[0].advance(1e-3)
    with pytest.raises(Unstackable, match="at different places"):
        StackedTrainees(trainees)


def test_networks_of_other_layers_are_refused(samples: Samples) -> None:
    networks = [nn.Sequential(nn.Flatten(), nn.Linear(48, CLASSES)) for _ in range(2)]
    networks[1] = nn.Sequential(nn.Linear(24, 1), nn.Flatten(), nn.Linear(2, CLASSES))
    with pytest.raises(Unstackable):
        StackedTrainees([_trainee(network.double(), samples) for network in networks])


def test_one_that_diverges_is_told(samples: Samples) -> None:
    trainees = _trainees(samples)
    broken = copy.deepcopy(trainees[1].network)
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.inf)
    trainees[1] = _trainee(broken, samples)
    stacked = StackedTrainees(trainees)
    with pytest.raises(TrainingDiverged, match="step 0"):
        stacked.advance(1e-3)
