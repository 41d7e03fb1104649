"""What a search asks of its guards, and when."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from adaptd.search.checkpoint import Checkpoint, CheckpointError
from adaptd.search.guard import Guard, SearchView
from adaptd.search.guards import (
    AuxiliarySkip,
    DivergenceStop,
    DropPathOnSkips,
    HessianStop,
    SkipLimit,
    SkipPenalty,
)
from adaptd.search.method import METHODS, GradientMethod, search
from adaptd.search.problem import Moment
from adaptd.search.schedule import FoldBack
from adaptd.search.training import TrainingDiverged
from adaptd.space import Supernet
from tests.search.guards.problems import Trap, open_problem


class Diary(Guard):
    """Writes down what it is asked; can end a search, or raise."""

    name = "diary"
    summary = "for tests"

    def __init__(self, *, stops_at: int | None = None, raises_at: int | None = None) -> None:
        super().__init__()
        self.stops_at, self.raises_at = stops_at, raises_at
        self.steps = 0
        self.asked: list[str] = []

    def start(self, view: SearchView) -> None:
        assert view.fraction == 0
        self.asked.append("start")

    def before_step(self, view: SearchView) -> None:
        assert view.loss is None
        self.asked.append("before")

    def penalty(self, supernet: Supernet) -> Tensor | None:
        assert supernet.training
        self.asked.append("penalty")
        return None

    def after_step(self, view: SearchView) -> str | None:
        assert view.loss is not None
        self.steps += 1
        self.asked.append("alphas" if view.moved_alphas else "weights")
        if self.steps == self.raises_at:
            self.acted = True
            raise TrainingDiverged("the diary is full")
        return "the diary is full" if self.steps == self.stops_at else None

    def finish(self, view: SearchView) -> None:
        assert view.supernet.mixed_edges()
        self.asked.append("finish")

    def state(self) -> Mapping[str, Any]:
        return {**super().state(), "steps": self.steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.steps = state["steps"]


def searching(share: float = 0.8) -> GradientMethod:
    bounded = METHODS["bounded"]
    assert isinstance(bounded, GradientMethod)
    return replace(bounded, schedule=FoldBack(search=share, fold=0.05))


def test_every_hook_is_called_in_its_place() -> None:
    diary = Diary()
    search(open_problem(steps=24), searching(0.5), guards=[diary])
    assert diary.asked[0] == "start"
    assert diary.asked[-1] == "finish"
    inner = diary.asked[1:-1]
    assert inner.count("before") == inner.count("weights") + inner.count("alphas") == 12
    # A penalty is of the alphas alone: weights would pay for it and gain nothing.
    assert inner.count("penalty") == inner.count("alphas") > 0
    assert all(
        inner[place - 1] == "penalty" for place, what in enumerate(inner) if what == "alphas"
    )


def test_a_guard_ends_a_search_where_it_stands() -> None:
    alphas: dict[int, object] = {}

    def watch(moment: Moment) -> None:
        if moment.phase == "search":
            alphas[moment.step] = moment.alphas

    found = search(open_problem(steps=40), searching(), guards=[Diary(stops_at=20)], watch=watch)
    assert found is not None
    assert found.stopped == "the diary is full"
    assert max(alphas) == 20
    assert found.alphas == alphas[20]
    assert found.steps == 40


@pytest.mark.parametrize("fault", ["records", "guard"])
def test_what_diverges_in_the_middle_ends_at_the_last_good_state(fault: str) -> None:
    alphas: dict[int, object] = {}

    def watch(moment: Moment) -> None:
        if moment.phase == "search":
            alphas[moment.step] = moment.alphas
        Trap.is_armed = fault == "records" and moment.phase == "search" and moment.step == 64

    diary = Diary(raises_at=65 if fault == "guard" else None)
    found = search(open_problem(steps=100), searching(), guards=[diary], watch=watch)
    assert found is not None
    assert found.stopped is not None
    expected = {"records": "diverged: the", "guard": "diverged: the diary is full"}[fault]
    assert found.stopped.startswith(expected)
    assert ("nan" in found.stopped) == (fault == "records")
    assert max(alphas) == 64
    assert found.alphas == alphas[50]
    assert found.alphas != alphas[64]
    assert found.steps == 100
    # Also the statistics of norms, through which the NaN had gone.
    for name, tensor in found.network.state_dict().items():
        assert bool(tensor.isfinite().all()), name
    # What it saw is not forgotten with the steps that are taken back.
    assert diary.steps == 64 + (fault == "guard")
    assert found.guards["diary"]["acted"] is (fault == "guard")


def test_what_diverges_before_there_is_a_good_state_raises() -> None:
    with pytest.raises(TrainingDiverged, match="the diary is full"):
        search(open_problem(steps=40), searching(), guards=[Diary(raises_at=10)])


def guards() -> list[Guard]:
    return [
        DropPathOnSkips(0.5),
        AuxiliarySkip(),
        SkipLimit(1),
        SkipPenalty(),
        HessianStop(every=3),
        DivergenceStop(),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("paused_at", [11, 33])
def test_a_search_with_all_guards_goes_on_from_a_checkpoint_to_the_same_end(
    paused_at: int, tmp_path: Path
) -> None:
    problem = open_problem(steps=50)
    whole = search(problem, searching(0.5), guards=guards())
    done = [0]
    kept: list[Checkpoint] = []

    def watch(moment: Moment) -> None:
        done[0] = moment.step

    first = search(
        problem,
        searching(0.5),
        guards=guards(),
        watch=watch,
        should_pause=lambda: done[0] >= paused_at,
        keep=kept.append,
    )
    assert first is None
    kept[0].save(tmp_path / "search")
    resumed = search(
        problem, searching(0.5), guards=guards(), resumed=Checkpoint.load(tmp_path / "search")
    )
    assert whole is not None
    assert resumed is not None
    assert resumed.alphas == whole.alphas
    assert resumed.guards == whole.guards
    assert resumed.architecture == whole.architecture
    torch.testing.assert_close(
        resumed.network.state_dict(), whole.network.state_dict(), atol=0, rtol=0
    )


def test_a_checkpoint_of_other_guards_is_refused() -> None:
    kept: list[Checkpoint] = []
    problem = open_problem(steps=24)
    search(problem, guards=[SkipPenalty()], should_pause=lambda: True, keep=kept.append)
    with pytest.raises(CheckpointError, match=r"guards \['skip-penalty'\], not \['skip-limit'\]"):
        search(problem, guards=[SkipLimit()], resumed=kept[0])


def test_two_guards_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="each guard may be given once"):
        search(open_problem(steps=24), guards=[SkipLimit(1), SkipLimit(2)])
