"""Races, random draws and evolution: paused, resumed, counted, within the cap."""

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_pre_hook

from adaptd.search import population_search
from adaptd.search.caps import Cap, within
from adaptd.search.checkpoint import Checkpoint
from adaptd.search.method import METHODS, search
from adaptd.search.population_search import PopulationSearch
from adaptd.search.problem import Found, Moment, Problem
from adaptd.search.task import CLASSIFICATION, Task
from adaptd.search.training import TrainingDiverged
from tests.search.conftest import MakeProblem, spoilt
from tests.search.test_gradient_search import assert_same, run_with_pause, weights_digest

# A quarter of 96 are for arms: two arms of 12 steps each, eight draws of 3, or twelve of 2.
STEPS = 96


def _problem(make_problem: MakeProblem, method: str) -> Problem:
    problem = make_problem(steps=STEPS)
    if method != "race":
        return problem
    edges = problem.architecture.operations
    arms = (
        problem.architecture,
        problem.architecture.with_operations(dict.fromkeys(edges, "dw k3 d1")),
    )
    return make_problem(steps=STEPS, arms=arms)


@pytest.fixture(scope="module")
def uninterrupted(make_problem: MakeProblem) -> dict[str, Found]:
    found = {}
    for name in ("race", "random", "evolution"):
        outcome = search(_problem(make_problem, name), name)
        assert outcome is not None
        found[name] = outcome
    return found


@pytest.mark.parametrize(
    ("method", "after"),
    [
        pytest.param("race", 0, marks=pytest.mark.slow),
        pytest.param("race", 5, id="race-in the first arm", marks=pytest.mark.slow),
        pytest.param("race", 12, id="race-between the arms", marks=pytest.mark.slow),
        pytest.param("race", 17, id="race-in the second arm"),
        pytest.param("race", 24, id="race-decided", marks=pytest.mark.slow),
        pytest.param("race", 60, id="race-training the best", marks=pytest.mark.slow),
        ("random", 10),
        pytest.param("evolution", 7, marks=pytest.mark.slow),
        pytest.param("evolution", 15, id="evolution-in a child"),
        pytest.param("evolution", 50, marks=pytest.mark.slow),
    ],
)
def test_a_paused_search_ends_with_the_very_same_weights(
    make_problem: MakeProblem,
    uninterrupted: dict[str, Found],
    tmp_path: Path,
    method: str,
    after: int,
) -> None:
    problem = _problem(make_problem, method)
    found = run_with_pause(problem, method, after, tmp_path / "kept.safetensors")
    assert_same(found, uninterrupted[method])


@pytest.mark.parametrize("method", ["race", "random", "evolution"])
def test_every_gradient_is_counted_and_the_outcome_fits_the_cap(
    make_problem: MakeProblem,
    uninterrupted: dict[str, Found],
    method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Arms that are trained as one share their optimiser's steps, which could then not be counted.
    monkeypatch.setattr(population_search, "_FEWEST_STACKED", 100)
    problem, made = _problem(make_problem, method), [0]

    def count(*_: object) -> None:
        made[0] += 1

    handle = register_optimizer_step_pre_hook(count)
    try:
        found = search(problem, method)
    finally:
        handle.remove()
    assert found is not None
    assert made[0] == found.steps == STEPS
    assert problem.caps
    assert within(problem.caps, found.architecture)
    assert found.architecture == uninterrupted[method].architecture


def test_arms_as_one_are_judged_as_they_are_one_by_one(
    make_problem: MakeProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []
    for fewest in (3, 100):
        monkeypatch.setattr(population_search, "_FEWEST_STACKED", fewest)
        run = METHODS["random"].begin(make_problem(steps=STEPS))
        assert isinstance(run, PopulationSearch)
        counted = [0]

        def count(*_: object, counted: list[int] = counted) -> None:
            counted[0] += 1

        handle = register_optimizer_step_pre_hook(count)
        assert run.run() is not None
        handle.remove()
        judged.append((run.judgements, counted[0]))
    (together, few), (alone, many) = judged
    assert few < many
    assert [one[:2] for one in together] == [one[:2] for one in alone]
    assert [one[2] for one in together] == pytest.approx([one[2] for one in alone], rel=1e-3)


def test_another_seed_gives_another_outcome(
    make_problem: MakeProblem, uninterrupted: dict[str, Found]
) -> None:
    other = search(make_problem(steps=STEPS, seed=4), "random")
    assert other is not None
    assert weights_digest(other.network) != weights_digest(uninterrupted["random"].network)


def test_judgements_tell_each_arm_with_all_its_steps(make_problem: MakeProblem) -> None:
    problem = make_problem(steps=STEPS)
    run = METHODS["race"].begin(problem)
    assert isinstance(run, PopulationSearch)
    found = run.run()
    assert found is not None
    last = {arm: (steps, loss) for arm, steps, loss in run.judgements}
    assert len(last) > 1
    most = max(steps for steps, _ in last.values())
    # The winner was trained for longest, and is the better of those who were.
    assert last[found.architecture][0] == most
    assert last[found.architecture][1] == min(
        loss for steps, loss in last.values() if steps == most
    )


def test_no_arm_is_trained_or_judged_on_a_record_that_weighs_nearly_nothing(
    make_problem: MakeProblem,
) -> None:
    problem = make_problem(steps=STEPS, samples=spoilt(make_problem().samples))
    run = METHODS["random"].begin(problem)
    assert isinstance(run, PopulationSearch)
    found = run.run()
    assert found is not None
    assert run.judgements
    assert all(math.isfinite(loss) for _, _, loss in run.judgements)
    assert all(bool(tensor.isfinite().all()) for tensor in found.network.state_dict().values())


@pytest.mark.parametrize("method", ["race", "random", "evolution"])
def test_a_cap_below_every_architecture_is_refused(make_problem: MakeProblem, method: str) -> None:
    with pytest.raises(ValueError, match="no architecture was found with at most 10 multiply"):
        search(make_problem(caps=(Cap(make_problem().costs, 10),)), method)


@pytest.mark.parametrize("method", ["random", "evolution"])
def test_a_given_architecture_over_the_cap_is_not_among_the_outcomes(
    make_problem: MakeProblem, method: str
) -> None:
    problem = make_problem()
    cap = problem.costs.total(problem.architecture) - 1
    found = search(make_problem(caps=(Cap(problem.costs, cap),), steps=STEPS), method)
    assert found is not None
    assert problem.costs.total(found.architecture) <= cap


def test_the_seconds_of_a_pause_are_kept(make_problem: MakeProblem, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    found = run_with_pause(
        _problem(make_problem, "race"), "race", 20, tmp_path / "kept.safetensors"
    )
    assert found.phase_seconds["search"] > 0


def spoilt_loss(*, calls: range) -> Task:
    """Classification whose loss is not a number in these of its calls."""
    made = itertools.count()

    def loss(outputs: Tensor, target: Tensor) -> Tensor:
        factor = float("nan") if next(made) in calls else 1.0
        return factor * functional.cross_entropy(outputs, target)

    return replace(CLASSIFICATION, loss=loss)


@pytest.mark.parametrize("method", ["race", "random", "evolution"])
def test_the_last_training_that_diverges_ends_with_its_last_good_state(
    make_problem: MakeProblem, method: str
) -> None:
    # A quarter of 240 steps is for arms.
    spoilt = spoilt_loss(calls=range(60 + 80, 10**6))
    found = search(make_problem(steps=240, task=spoilt), method)
    assert found is not None
    assert found.stopped is not None
    assert "diverged" in found.stopped
    assert found.steps < 240
    assert all(bool(one.isfinite().all()) for one in found.network.state_dict().values())


def test_an_arm_that_diverges_has_lost_and_the_others_go_on(
    make_problem: MakeProblem, tmp_path: Path
) -> None:
    # Two arms of twelve steps; the first of them does not get beyond its fifth.
    problem = _problem(make_problem, "race")
    one, other = problem.arms
    kept: list[Checkpoint] = []

    def run(**options: Any) -> Found | None:
        spoilt = replace(problem, task=spoilt_loss(calls=range(5, 6)))
        return search(spoilt, "race", **options)

    found = run()
    assert found is not None
    assert found.architecture == other != one
    assert found.stopped is None
    reached = [0]

    def watch(moment: Moment) -> None:
        reached[0] = moment.step

    assert run(watch=watch, should_pause=lambda: reached[0] >= 30, keep=kept.append) is None
    path = tmp_path / "paused"
    kept[0].save(path)
    # What has diverged stands in the checkpoint: nothing does so any more.
    resumed = search(problem, "race", resumed=Checkpoint.load(path))
    assert resumed is not None
    assert_same(resumed, found)


def test_where_all_diverge_there_is_nothing_to_go_back_to(make_problem: MakeProblem) -> None:
    with pytest.raises(TrainingDiverged):
        search(make_problem(steps=STEPS, task=spoilt_loss(calls=range(10**6))), "race")
