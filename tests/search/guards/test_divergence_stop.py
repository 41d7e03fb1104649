"""A loss that runs away without becoming NaN."""

import copy
import math
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from adaptd.search.guards import DivergenceStop
from adaptd.search.method import METHODS, GradientMethod, search
from adaptd.search.problem import Moment, Problem
from adaptd.search.schedule import FoldBack
from adaptd.search.task import CLASSIFICATION, Task
from adaptd.search.training import TrainingDiverged
from tests.search.guards.problems import WITHOUT_SKIPS, open_problem, two_edges, view_of

_VIEW = view_of(two_edges())


def told(guard: DivergenceStop, losses: Iterable[float], *, moved_alphas: bool = False) -> None:
    for loss in losses:
        guard.after_step(
            type(_VIEW)(
                _VIEW.supernet,
                _VIEW.held_out,
                _VIEW.task,
                0.5,
                moved_alphas=moved_alphas,
                loss=loss,
            )
        )


@given(
    seed=st.integers(0, 10_000),
    floor=st.floats(1e-4, 1.0),
    spread=st.floats(0, 0.8),
)
def test_noise_around_a_loss_that_falls_never_triggers(
    seed: int, floor: float, spread: float
) -> None:
    draws = random.Random(seed)
    # A batch's loss may be five times the mean one.
    told(
        DivergenceStop(),
        (
            (floor + 1.5 * math.exp(-step / 40)) * draws.lognormvariate(0, spread)
            for step in range(400)
        ),
    )


def test_a_loss_that_stays_high_ends_it_once_patience_is_over() -> None:
    guard = DivergenceStop()
    told(guard, [1.0] * 20 + [0.2] * 100 + [1.2] * 24)
    assert guard.is_uneasy
    with pytest.raises(TrainingDiverged, match=r"above 1 for 25 steps in a row, 1\.2 in the last"):
        told(guard, [1.2])
    assert guard.report() == {"acted": True, "longest": 25, "patience": 25}


@pytest.mark.parametrize(
    "losses",
    [
        # Single hard batches.
        [1.0] * 20 + [0.2] * 100 + ([5.0] * 10 + [0.2]) * 20,
        # Three times the lowest, but no worse than at the beginning.
        [1.0] * 20 + [0.1] * 100 + [0.9] * 100,
        # Worse than at the beginning, but never much better.
        [1.0] * 20 + [0.6] * 100 + [1.5] * 100,
        # A loss that may be negative.
        [1.0] * 20 + [-2.0] * 100 + [0.5] * 100,
    ],
)
def test_what_is_no_divergence_goes_on(losses: list[float]) -> None:
    guard = DivergenceStop()
    told(guard, losses)
    assert guard.report()["acted"] is False


def test_held_out_losses_do_not_count() -> None:
    guard = DivergenceStop()
    told(guard, [1.0] * 20 + [0.1] * 100)
    told(guard, [9.0] * 100, moved_alphas=True)
    assert not guard.is_uneasy


def test_its_state_carries_everything_on() -> None:
    one, other = DivergenceStop(), DivergenceStop()
    told(one, [1.0] * 20 + [0.2] * 100 + [1.2] * 20)
    other.restore(copy.deepcopy(dict(one.state())))
    for guard in (one, other):
        with pytest.raises(TrainingDiverged):
            told(guard, [1.2] * 5)
    assert one.state() == other.state()


class _RunningAway:
    """Cross entropy, a hundred times as much while it is on."""

    is_on = False

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        return CLASSIFICATION.loss(outputs, target) * (100 if self.is_on else 1)


@pytest.mark.slow
def test_a_search_goes_back_to_before_the_loss_ran_away() -> None:
    away, seen = _RunningAway(), dict[int, object]()
    problem = Problem(
        **{
            **vars(open_problem(WITHOUT_SKIPS, steps=200)),
            "task": Task("runs away", away.loss, CLASSIFICATION.score, CLASSIFICATION.chance),
        }
    )
    bounded = METHODS["bounded"]
    assert isinstance(bounded, GradientMethod)
    searching = GradientMethod(**{**vars(bounded), "schedule": FoldBack(search=0.8, fold=0.05)})

    def watch(moment: Moment) -> None:
        if moment.phase == "search":
            seen[moment.step] = moment.alphas
        # The next good state would be kept at step 100, while the loss is high.
        away.is_on = moment.phase == "search" and moment.step >= 95

    found = search(problem, searching, guards=[DivergenceStop()], watch=watch)
    assert found is not None
    assert found.stopped is not None
    assert found.stopped.startswith("diverged: the training loss was above")
    assert max(seen) > 100
    assert found.alphas == seen[50]
    assert found.steps == 200
    assert found.guards["divergence-stop"]["acted"] is True


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="a factor above 1"):
        DivergenceStop(factor=1.0)
    with pytest.raises(ValueError, match="at least 1 step"):
        DivergenceStop(patience=0)
