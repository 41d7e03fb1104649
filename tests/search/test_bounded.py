"""The bounded method as a whole, around a network with all its edges open."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from adaptd.architecture import Architecture
from adaptd.clock import Clock, FakeClock
from adaptd.search.caps import Cap, NothingFits
from adaptd.search.method import METHODS, require_fitting, search
from adaptd.search.opening import shrink_factor
from adaptd.search.problem import Found, Moment, Problem, Watch
from adaptd.search.schedule import FoldBack, Split
from adaptd.search.training import Samples, TrainingDiverged, accuracy, train
from adaptd.space import (
    EdgeCosts,
    Reopening,
    build,
    count_macs,
    fit_standardisation,
    initial_architecture,
)
from adaptd.stream.scenario import SCENARIOS, generate

STEPS = 40


@dataclass(frozen=True)
class Deployed:
    architecture: Architecture
    network: nn.Module
    samples: Samples

    @property
    def costs(self) -> EdgeCosts:
        return EdgeCosts.of(self.architecture, tuple(self.samples.x.shape[1:]))

    @property
    def macs(self) -> int:
        return self.costs.total(self.architecture)


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    generator = torch.Generator().manual_seed(0)
    settings = {"in_channels": 1, "classes": 3, "width": 4}
    architecture = initial_architecture("adaptd.space.sequence:convnet", settings, "dw k5 d1")
    x = torch.randn(200, 1, 16, generator=generator)
    samples = Samples(x, torch.randint(3, (200,), generator=generator))
    network = build(architecture, seed=1)
    fit_standardisation(network, x)
    return Deployed(architecture, network, samples)


def problem_of(deployed: Deployed, **changes: Any) -> Problem:
    arguments: dict[str, Any] = {
        "steps": STEPS,
        "seed": 3,
        "caps": (Cap(deployed.costs, int(1.1 * deployed.macs)),),
        **changes,
    }
    return Problem.around(deployed.network, deployed.architecture, deployed.samples, **arguments)


def reopened(
    deployed: Deployed, *, watch: Watch | None = None, clock: Clock | None = None, **changes: Any
) -> Found:
    found = search(problem_of(deployed, **changes), watch=watch, clock=clock)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def first(deployed: Deployed) -> Found:
    return reopened(deployed)


def test_the_schedule_spends_what_was_given() -> None:
    for steps in (20, 21, 37, 800):
        schedule = FoldBack().split(steps)
        assert schedule.total == steps
        assert min(schedule.search, schedule.fold, schedule.plain) >= 2
    assert FoldBack().split(800) == Split(search=200, fold=80, plain=520)


def test_too_few_steps_are_refused(deployed: Deployed) -> None:
    with pytest.raises(ValueError, match="at least 20 steps, got 19"):
        reopened(deployed, steps=19)


@pytest.mark.parametrize("method", METHODS)
def test_caps_below_every_candidate_are_refused_before_a_search(
    deployed: Deployed, method: str
) -> None:
    problem = problem_of(deployed, caps=(Cap(deployed.costs, deployed.macs // 10),))
    with pytest.raises(NothingFits, match="the deployed architecture takes"):
        require_fitting(METHODS[method], problem)


def only_what_is_deployed(deployed: Deployed) -> Problem:
    """The deployed network's own cost is the least, and all that is allowed."""
    problem = problem_of(deployed)
    candidates = dict.fromkeys(problem.reopening.candidates, ("dw k5 d1",))
    return replace(problem, reopening=Reopening(candidates, problem.reopening.groups))


@pytest.mark.parametrize("method", METHODS)
def test_a_search_that_could_choose_nothing_else_is_refused(
    deployed: Deployed, method: str
) -> None:
    with pytest.raises(NothingFits, match="no edge has another candidate"):
        require_fitting(METHODS[method], only_what_is_deployed(deployed))


def test_where_there_is_no_choice_all_steps_train(deployed: Deployed) -> None:
    phases: list[str] = []
    problem = only_what_is_deployed(deployed)
    found = search(problem, watch=lambda moment: phases.append(moment.phase))
    assert found is not None
    assert found.architecture == deployed.architecture
    assert phases == ["fold"] * STEPS
    assert found.steps == STEPS


def test_the_outcome_is_a_plain_network_of_its_architecture_within_the_cap(
    deployed: Deployed,
) -> None:
    outcome = reopened(deployed)
    fresh = build(outcome.architecture)
    fresh.load_state_dict(outcome.network.state_dict())
    x = deployed.samples.x
    torch.testing.assert_close(fresh.eval()(x), outcome.network.eval()(x))
    assert outcome.architecture.operations.keys() == deployed.architecture.operations.keys()
    assert count_macs(outcome.network, (1, 16)) <= int(1.1 * deployed.macs)
    assert outcome.supernet_memory_ratio is not None
    assert outcome.supernet_memory_ratio >= 1


def test_every_gradient_is_counted_and_the_deployed_network_left_as_it_was(
    deployed: Deployed,
) -> None:
    before = copy.deepcopy(deployed.network.state_dict())
    seen: list[tuple[str, int]] = []
    gradients = 0

    def count(*_: object) -> None:
        nonlocal gradients
        gradients += 1

    # Every optimiser step, of weights or alphas, in torch's own words.
    handle = register_optimizer_step_pre_hook(count)
    try:
        outcome = reopened(deployed, watch=lambda moment: seen.append((moment.phase, moment.step)))
    finally:
        handle.remove()
    assert gradients == outcome.steps == STEPS
    assert [done for _, done in seen] == list(range(1, STEPS + 1))
    assert [phase for phase, _ in seen] == ["search"] * 10 + ["fold"] * 30
    torch.testing.assert_close(deployed.network.state_dict(), before, atol=0, rtol=0)


def test_the_same_arguments_give_the_same_architecture_and_weights(
    deployed: Deployed, first: Found
) -> None:
    torch.manual_seed(99)
    again = reopened(deployed)
    other = reopened(deployed, seed=4)
    assert again.architecture == first.architecture
    assert again.alphas == first.alphas
    torch.testing.assert_close(
        again.network.state_dict(), first.network.state_dict(), atol=0, rtol=0
    )
    assert other.alphas != first.alphas


def test_alphas_move_and_become_the_counts_of_the_next_search(
    deployed: Deployed, first: Found
) -> None:
    assert first.concentrations == first.alphas
    for weights in first.alphas.values():
        assert sum(weights.values()) == pytest.approx(1)
        assert max(weights.values()) > 0.26
    second = reopened(deployed, concentrations=first.concentrations)
    for group, counts in second.concentrations.items():
        for operation, count in counts.items():
            assert count == pytest.approx(
                first.alphas[group][operation] / 2 + second.alphas[group][operation]
            )


def test_earlier_counts_are_where_the_alphas_start(deployed: Deployed, first: Found) -> None:
    counts = {group: {"dw k3 d1": 2.0} for group in ("cells.0", "cells.1")}
    tilted = reopened(deployed, concentrations=counts)
    for group in counts:
        assert tilted.alphas[group]["dw k3 d1"] > first.alphas[group]["dw k3 d1"] + 0.05


def test_the_clock_that_was_given_times_the_phases(deployed: Deployed) -> None:
    clock = FakeClock()

    def advance(moment: Moment) -> None:
        clock.advance(2 if moment.phase == "search" else 1)

    assert reopened(deployed, clock=clock, watch=advance).phase_seconds == {
        "search": 20,
        "fold": 30,
    }


def test_nan_in_the_records_stops_it(deployed: Deployed) -> None:
    x = deployed.samples.x.clone()
    x[:] = float("nan")
    broken = Deployed(deployed.architecture, deployed.network, Samples(x, deployed.samples.target))
    with pytest.raises(TrainingDiverged):
        reopened(broken)


def test_the_worse_the_deployed_network_the_more_it_is_shrunk() -> None:
    class Says(nn.Module):
        """Right on the given share of the records, whose class is their value."""

        def __init__(self, right: int) -> None:
            super().__init__()
            self.right = right

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            label, place = x.flatten(1).T
            named = torch.where(place < self.right, label, 1 - label).long()
            return nn.functional.one_hot(named, 2).float()

    places = torch.arange(100.0)
    samples = Samples(torch.stack([places % 2, places], 1), (places % 2).long())
    sequences = Samples(samples.x.unsqueeze(2), samples.target)
    for right, of_features, of_sequences in (
        (100, 1, 1),
        (75, 0.875, 0.75),
        (50, 0.75, 0.5),
        (0, 0.75, 0.5),
    ):
        assert shrink_factor(Says(right), samples) == pytest.approx(of_features)
        assert shrink_factor(Says(right), sequences) == pytest.approx(of_sequences)


@pytest.mark.slow
def test_after_a_lag_shift_it_finds_the_reach_that_weights_alone_cannot() -> None:
    torch.set_num_threads(1)
    scenario = SCENARIOS["lag-shift"]

    def records(first: int, count: int) -> Samples:
        x, target = generate(scenario, seed=0, first=first, count=count, drift_at=2_000)
        return Samples(torch.from_numpy(x), torch.from_numpy(target))

    settings = {"in_channels": 1, "classes": len(scenario.classes)}
    architecture = initial_architecture(
        "adaptd.space.sequence:convnet", settings, scenario.operation
    )
    network = build(architecture, seed=0)
    fit_standardisation(network, records(0, 2_000).x)
    train(network, records(0, 2_000), steps=300, seed=0)
    window, later = records(2_000, 1_500), records(3_500, 2_000)
    macs = count_macs(architecture, scenario.shape)
    outcome = search(
        Problem.around(
            network,
            architecture,
            window,
            steps=500,
            seed=0,
            caps=(Cap(EdgeCosts.of(architecture, scenario.shape), int(1.1 * macs)),),
        )
    )
    assert outcome is not None
    train(network, window, steps=500, seed=0)
    # With 600 and 800 steps the gain was 30 to 38 points on three seeds. The run is deterministic
    # on one machine; the margin is for the rounding of others and for the smaller budget.
    assert accuracy(outcome.network, later) > accuracy(network, later) + 0.12
    assert outcome.supernet_memory_ratio is not None
    assert outcome.supernet_memory_ratio < 1.05
    assert count_macs(outcome.network, scenario.shape) <= int(1.1 * macs)
