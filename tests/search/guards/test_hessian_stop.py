"""A search that ends before its optimum becomes too sharp."""

import copy

import pytest
import torch
from torch import Tensor, nn

from adaptd.search.guard import SearchView
from adaptd.search.guards import HessianStop
from adaptd.search.guards.hessian_stop import rise
from adaptd.search.method import METHODS, search
from adaptd.search.task import CLASSIFICATION, Task
from adaptd.space import Supernet
from tests.search.guards.problems import open_problem, two_edges, view_of


@pytest.mark.parametrize(
    ("eigenvalues", "risen"),
    [
        ([1.0] * 6, None),
        ([1.0] * 7, 1.0),
        ([1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0], 3.0),
        ([9.0, 1.0, -1.0, 1.0, 1.0, 1.0, 2.0, -2.0], 2.0),
        ([0.0] * 7, None),
    ],
)
def test_the_rise_is_that_of_smoothed_magnitudes(
    eigenvalues: list[float], risen: float | None
) -> None:
    assert rise(eigenvalues, lag=5, window=2) == risen


class _Curved(nn.Module):
    """Its loss is half of sharpness times the squared distance of two alphas from 0."""

    sharpness = 1.0

    def __init__(self, supernet: Supernet) -> None:
        super().__init__()
        self.inner = supernet

    def loss(self, outputs: Tensor, _target: Tensor) -> Tensor:
        alphas = torch.cat(tuple(self.inner.architecture_parameters()))
        return 0.5 * self.sharpness * alphas.square().sum() + 0 * outputs.sum()


def sharpening(guard: HessianStop, sharpness: list[float]) -> list[str | None]:
    """What the guard says to a search whose curvature is known at every step of the alphas."""
    supernet = two_edges()
    curved = _Curved(supernet)
    task = Task("curved", curved.loss, CLASSIFICATION.score, CLASSIFICATION.chance)
    held_out = view_of(supernet).held_out
    told = []
    for step, value in enumerate(sharpness):
        curved.sharpness = value
        supernet.set_logits("0", [float(step), 0.0, 0.0])
        told.append(
            guard.after_step(
                SearchView(supernet, held_out, task, step / len(sharpness), moved_alphas=True)
            )
        )
        if told[-1] is not None:
            assert supernet.alphas()["0"] == pytest.approx(
                dict(
                    zip(
                        supernet.reopening.operations("0"),
                        torch.softmax(torch.tensor([float(step - guard.lag), 0, 0]), 0).tolist(),
                        strict=True,
                    )
                )
            )
    return told


def test_a_known_curvature_that_rises_by_a_third_ends_the_search_at_earlier_alphas() -> None:
    guard = HessianStop(every=1, lag=2, window=1, begins_at=0)
    told = sharpening(guard, [1.0, 1.0, 1.1, 1.2, 1.3, 1.5])
    # 1.5 / 1.2 is less than 4 / 3, and 1.7 / 1.3 too.
    assert told == [None] * 6
    (*_, reason) = sharpening(HessianStop(every=1, lag=2, window=1, begins_at=0), [1, 1, 1.4])
    assert reason is not None
    assert "rose 1.40 times within 2 estimates, to 1.4" in reason
    assert guard.report()["first"] == pytest.approx(1.0)
    assert guard.report()["last"] == pytest.approx(1.5)


def test_it_is_judged_only_from_its_beginning_on() -> None:
    late = HessianStop(every=1, lag=1, window=1, begins_at=0.6)
    assert sharpening(late, [1, 2, 4, 8, 8, 8, 8, 8, 8, 8]) == [None] * 10


def test_estimates_are_made_every_so_many_steps_of_the_alphas() -> None:
    guard, supernet = HessianStop(every=3), two_edges()
    for step in range(12):
        guard.after_step(view_of(supernet, moved_alphas=step % 2 == 0))
    assert guard.report()["estimates"] == 2


def test_an_estimate_leaves_the_search_as_it_was() -> None:
    problem = open_problem(steps=40)
    plain = search(problem)
    watched = search(problem, guards=[HessianStop(every=1)])
    assert plain is not None
    assert watched is not None
    assert watched.guards["hessian-stop"]["estimates"] >= 2
    assert watched.guards["hessian-stop"]["acted"] is False
    assert plain.alphas == watched.alphas
    torch.testing.assert_close(
        plain.network.state_dict(), watched.network.state_dict(), atol=0, rtol=0
    )


@pytest.mark.slow
def test_a_search_that_it_ends_spends_the_rest_on_training() -> None:
    problem = open_problem(steps=60)
    guard = HessianStop(every=1, lag=1, window=1, ratio=0.99, begins_at=0)
    found = search(problem, METHODS["darts-1st"], guards=[guard])
    assert found is not None
    assert found.stopped is not None
    assert found.stopped.startswith("the dominant eigenvalue of the held-out loss")
    assert found.steps == 60
    assert found.guards["hessian-stop"]["acted"] is True
    assert found.guards["hessian-stop"]["estimates"] < 15


def test_its_state_carries_everything_on() -> None:
    supernet = two_edges()
    one = HessianStop(every=2)
    for step in range(5):
        supernet.set_logits("0", [0.1 * step, 0.0, 0.2])
        one.after_step(view_of(supernet, fraction=0.1, moved_alphas=True))
    other = HessianStop(every=2)
    other.restore(copy.deepcopy(dict(one.state())))
    for guard in (one, other):
        guard.after_step(view_of(supernet, fraction=0.2, moved_alphas=True))
    assert one.state() == other.state()
    assert one.report()["estimates"] == 3


@pytest.mark.parametrize("wrong", [{"every": 0}, {"ratio": 1.0}, {"lag": 0}, {"begins_at": 2}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected every, lag and window of at least 1"):
        HessianStop(**wrong)  # type: ignore[arg-type]
