"""A training that is paused, saved and taken up by new objects ends with the same bits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adaptd.search.checkpoint import Checkpoint, CheckpointError
from adaptd.search.course import Course, Resumable
from adaptd.search.distillation import distilled
from adaptd.search.recalibration import recalibrated_parameters
from adaptd.search.stacked import MembersDiverged, StackedTraining
from adaptd.search.training import Rehearsal, train
from tests.search.test_stacked import Exploding, remedies, samples_of, small_networks

STEPS = 12
SAMPLES = samples_of(150, 24, torch.float32)


def one_network() -> list[nn.Module]:
    return remedies(SAMPLES)[:1]


def with_chance() -> list[nn.Module]:
    """Dropout draws from torch's global generator, and cannot be stacked."""
    return [one.float() for one in small_networks(*[nn.Dropout(0.3)] * 3, inputs=48)]


def with_one_that_explodes() -> list[nn.Module]:
    explosions = (Exploding(99), Exploding(4), Exploding(99))
    return [one.float() for one in small_networks(*explosions, inputs=48)]


def with_one_that_explodes_alone() -> list[nn.Module]:
    explosions = (Exploding(99), Exploding(4), Exploding(99))
    parts = [nn.Sequential(nn.Dropout(0.3), one) for one in explosions]
    return [one.float() for one in small_networks(*parts, inputs=48)]


def course(networks: list[nn.Module]) -> Resumable[Any]:
    (network,) = networks
    return Course(network, SAMPLES, steps=STEPS, seed=3)


def head_course(networks: list[nn.Module]) -> Resumable[Any]:
    (network,) = networks
    parameters = recalibrated_parameters(network)
    return Course(network, SAMPLES, steps=STEPS, seed=3, parameters=parameters)


def stacked(networks: list[nn.Module]) -> Resumable[Any]:
    return StackedTraining(networks, SAMPLES, steps=STEPS, seed=3)


TAUGHT = distilled(
    replace(SAMPLES, rehearsal=Rehearsal(samples_of(60, 24, torch.float32), 0.3)),
    remedies(SAMPLES)[1],
    weight=0.7,
)


def taught_course(networks: list[nn.Module]) -> Resumable[Any]:
    (network,) = networks
    return Course(network, TAUGHT, steps=STEPS, seed=3)


def taught_stacked(networks: list[nn.Module]) -> Resumable[Any]:
    return StackedTraining(networks, TAUGHT, steps=STEPS, seed=3)


WEIGHTED = replace(
    SAMPLES,
    weight=torch.linspace(0.5, 2, 150),
    rehearsal=Rehearsal(
        replace(samples_of(60, 24, torch.float32), weight=torch.linspace(3, 1, 60)), 0.3
    ),
)


def weighted_course(networks: list[nn.Module]) -> Resumable[Any]:
    (network,) = networks
    return Course(network, WEIGHTED, steps=STEPS, seed=3)


def weighted_stacked(networks: list[nn.Module]) -> Resumable[Any]:
    return StackedTraining(networks, WEIGHTED, steps=STEPS, seed=3)


def finished(running: Resumable[Any]) -> str | None:
    try:
        assert running.run() is not None
    except MembersDiverged as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("make", "begin", "total"),  # total: how often it asks whether to pause
    [
        (one_network, course, STEPS),
        (one_network, head_course, STEPS),
        (lambda: remedies(SAMPLES), stacked, STEPS),
        (with_chance, stacked, 3 * STEPS),
        (one_network, taught_course, STEPS),
        (lambda: remedies(SAMPLES), taught_stacked, STEPS),
        (with_chance, taught_stacked, 3 * STEPS),
        (one_network, weighted_course, STEPS),
        (lambda: remedies(SAMPLES), weighted_stacked, STEPS),
        (with_one_that_explodes, stacked, STEPS),
        (with_one_that_explodes_alone, stacked, 2 * STEPS + 5),
    ],
    ids=[
        "one",
        "head",
        "stacked",
        "in-turn",
        "taught",
        "taught-stacked",
        "taught-in-turn",
        "weighted",
        "weighted-stacked",
        "stacked-diverging",
        "in-turn-diverging",
    ],
)
def test_it_ends_with_the_same_weights_wherever_it_was_paused(
    tmp_path: Path,
    make: Callable[[], list[nn.Module]],
    begin: Callable[[list[nn.Module]], Resumable[Any]],
    total: int,
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        whole = make()
        said = finished(begin(whole))
        for pauses in ([0], [1], [5], [total - 1], [2, 7], [total // 2, total - 2]):
            torch.manual_seed(5)
            networks = make()
            running = begin(networks)
            before = 0
            for at in pauses:
                steps = iter(range(at - before))
                assert running.run(lambda steps=steps: next(steps, None) is None) is None  # type: ignore[misc]
                before = at
                running.save().save(tmp_path / "checkpoint")
                random = torch.get_rng_state()
                # Another process: other networks, other draws before it goes on.
                torch.manual_seed(77)
                networks = make()
                running = begin(networks)
                running.restore(Checkpoint.load(tmp_path / "checkpoint"))
                torch.set_rng_state(random)
            assert finished(running) == said, pauses
            for one, other in zip(networks, whole, strict=True):
                assert_equal(one.state_dict(), other.state_dict())


def assert_equal(state: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    torch.testing.assert_close(state, other, rtol=0, atol=0, equal_nan=True)


def test_a_course_does_what_training_does() -> None:
    (network,), (other,) = one_network(), one_network()
    Course(network, SAMPLES, steps=STEPS, seed=3, rate=0.01, weight_decay=0.1).run()
    train(other, SAMPLES, steps=STEPS, seed=3, rate=0.01, weight_decay=0.1)
    assert_equal(network.state_dict(), other.state_dict())


def test_a_checkpoint_of_another_form_is_refused() -> None:
    running = StackedTraining(with_chance(), SAMPLES, steps=STEPS, seed=3)
    other = StackedTraining(remedies(SAMPLES), SAMPLES, steps=STEPS, seed=3)
    with pytest.raises(CheckpointError, match="_InTurn, not _AsOne"):
        other.restore(running.save())
