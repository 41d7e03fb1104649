"""A gradient search that is paused, and goes on from a file."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from adaptd.search.candidates import tied
from adaptd.search.checkpoint import Checkpoint, CheckpointError
from adaptd.search.distillation import distilled
from adaptd.search.guard import Guard, SearchView
from adaptd.search.guards import default_guards
from adaptd.search.method import METHODS, search
from adaptd.search.problem import Found, Moment, Problem
from adaptd.search.training import BATCH_RECORDS, Rehearsal, Samples, TrainingDiverged
from adaptd.space import LADDER, Reopening, Supernet
from adaptd.space.folding import FoldingEdge
from adaptd.space.memory import step_bytes
from tests.search.conftest import MakeProblem, spoilt

# Of 24 steps 6 search, 2 fold and 16 train plainly; DARTS searches for 12.
STEPS = 24


def weights_digest(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def run_with_pause(
    problem: Problem,
    method: str,
    after: int,
    path: Path,
    *,
    guards: Callable[[], Sequence[Guard]] = tuple,
) -> Found:
    """Pauses before the step after so many, and goes on in a search of its own."""
    reached = [0]

    def watch(moment: Moment) -> None:
        reached[0] = moment.step

    paused = search(
        problem,
        method,
        guards=guards(),
        watch=watch,
        should_pause=lambda: reached[0] >= after,
        keep=lambda checkpoint: checkpoint.save(path),
    )
    assert paused is None
    # What a global generator has drawn in between must not matter.
    torch.manual_seed(after)
    found = search(problem, method, guards=guards(), resumed=Checkpoint.load(path))
    assert found is not None
    return found


def assert_same(one: Found, other: Found) -> None:
    assert one.architecture == other.architecture
    assert one.alphas == other.alphas
    assert one.steps == other.steps
    assert one.stopped == other.stopped
    assert one.guards == other.guards
    assert weights_digest(one.network) == weights_digest(other.network)


@pytest.fixture(scope="module")
def uninterrupted(make_problem: MakeProblem) -> dict[str, Found]:
    found = {}
    for name in ("bounded", "darts-1st", "darts-2nd"):
        outcome = search(make_problem(), name)
        assert outcome is not None
        found[name] = outcome
    return found


@pytest.mark.parametrize(
    ("method", "after"),
    [
        ("bounded", 0),
        pytest.param("bounded", 1, marks=pytest.mark.slow),
        ("bounded", 4),
        pytest.param("bounded", 6, id="bounded-search is over"),
        pytest.param("bounded", 7, id="bounded-folding"),
        pytest.param("bounded", 8, id="bounded-fold is over"),
        pytest.param("bounded", 9, id="bounded-plain"),
        pytest.param("bounded", 23, marks=pytest.mark.slow),
        pytest.param("darts-1st", 7, marks=pytest.mark.slow),
        ("darts-1st", 12),
        pytest.param("darts-1st", 18, marks=pytest.mark.slow),
        ("darts-2nd", 5),
        pytest.param("darts-2nd", 20, marks=pytest.mark.slow),
    ],
)
def test_a_paused_search_ends_with_the_very_same_weights(
    make_problem: MakeProblem,
    uninterrupted: dict[str, Found],
    tmp_path: Path,
    method: str,
    after: int,
) -> None:
    found = run_with_pause(make_problem(), method, after, tmp_path / "kept.safetensors")
    assert_same(found, uninterrupted[method])


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("after", [3, 7, 12])
def test_drawn_paths_and_guards_go_on_where_they_stood(
    make_problem: MakeProblem, tmp_path: Path, after: int, guarded: bool
) -> None:
    problem = make_problem()
    texts = ("dw k3 d1", "maxpool k3", "identity", "zero", "mbconv k3 e3 se")
    reopening = tied(problem.edges, dict.fromkeys(problem.edges, texts))
    problem = make_problem(reopening=reopening, caps=())
    make_guards = default_guards if guarded else tuple
    whole = search(problem, guards=make_guards())
    assert whole is not None
    path = tmp_path / "kept.safetensors"
    found = run_with_pause(problem, "bounded", after, path, guards=make_guards)
    assert_same(found, whole)
    assert bool(whole.guards) == guarded


@pytest.mark.parametrize(("method", "after"), [("bounded", 4), ("bounded", 9), ("darts-2nd", 5)])
def test_a_search_that_rehearses_and_is_taught_goes_on_where_it_stood(
    make_problem: MakeProblem,
    uninterrupted: dict[str, Found],
    tmp_path: Path,
    method: str,
    after: int,
) -> None:
    problem = make_problem()
    kept = problem.samples.at(torch.arange(30))
    samples = replace(problem.samples, rehearsal=Rehearsal(kept, 0.25))
    problem = make_problem(samples=distilled(samples, problem.network, weight=1.0))
    whole = search(problem, method)
    assert whole is not None
    assert_same(run_with_pause(problem, method, after, tmp_path / "kept.safetensors"), whole)
    # And both make a difference, from the alphas on.
    assert whole.alphas != uninterrupted[method].alphas


class Watching(Guard):
    """Sees whether all held-out records are finite."""

    name = "watching"
    summary = ""

    def after_step(self, view: SearchView) -> None:
        assert bool(view.held_out.x.isfinite().all())
        self.acted = True


def test_no_step_sees_a_record_that_weighs_nearly_nothing(
    make_problem: MakeProblem, tmp_path: Path
) -> None:
    def watching() -> list[Guard]:
        return [Watching()]

    problem = make_problem(samples=spoilt(make_problem().samples))
    whole = search(problem, guards=watching())
    assert whole is not None
    assert whole.guards["watching"]["acted"]
    assert all(bool(tensor.isfinite().all()) for tensor in whole.network.state_dict().values())
    path = tmp_path / "kept.safetensors"
    assert_same(run_with_pause(problem, "bounded", 5, path, guards=watching), whole)


def test_pausing_before_every_step_changes_nothing(
    make_problem: MakeProblem, uninterrupted: dict[str, Found]
) -> None:
    run = METHODS["bounded"].begin(make_problem())
    found, pauses = None, 0
    while found is None:
        asked = [0]

        def once(asked: list[int] = asked) -> bool:
            asked[0] += 1
            return asked[0] > 1

        found = run.run(once)
        if found is None:
            pauses += 1
            run.save()
    assert pauses >= STEPS - 1
    assert_same(found, uninterrupted["bounded"])


def test_the_same_arguments_give_the_same_outcome_and_another_seed_does_not(
    make_problem: MakeProblem, uninterrupted: dict[str, Found]
) -> None:
    torch.manual_seed(99)
    again, other = search(make_problem()), search(make_problem(seed=4))
    assert again is not None
    assert other is not None
    assert_same(again, uninterrupted["bounded"])
    assert weights_digest(other.network) != weights_digest(again.network)


def test_a_checkpoint_of_another_network_is_refused(
    make_problem: MakeProblem, tmp_path: Path
) -> None:
    path = tmp_path / "kept.safetensors"
    search(make_problem(), should_pause=lambda: True, keep=lambda kept: kept.save(path))
    problem = make_problem()
    others = tied(problem.edges, dict.fromkeys(problem.edges, ("dw k3 d1", "dw k9 d1")))
    with pytest.raises(CheckpointError, match="another search"):
        search(make_problem(reopening=others), resumed=Checkpoint.load(path))


@pytest.mark.parametrize("method", ["bounded", "darts-1st", "darts-2nd"])
@pytest.mark.parametrize("steps", [21, 37])
def test_every_gradient_is_counted(make_problem: MakeProblem, method: str, steps: int) -> None:
    made = {"weights": 0, "alphas": 0}

    def count(optimiser: torch.optim.Optimizer, *_: object) -> None:
        made["weights" if isinstance(optimiser, torch.optim.AdamW) else "alphas"] += 1

    handle = register_optimizer_step_pre_hook(count)
    try:
        found = search(make_problem(steps=steps), method)
    finally:
        handle.remove()
    assert found is not None
    cost = {"bounded": 1, "darts-1st": 1, "darts-2nd": 4}[method]
    assert made["alphas"] > 0
    assert made["weights"] + cost * made["alphas"] == found.steps == steps


@pytest.mark.slow
def test_a_search_that_diverges_falls_back_to_the_same_state_wherever_it_was_paused(
    make_problem: MakeProblem,
) -> None:
    # 75 of 300 steps search. The state of step 50 is what it goes back to after step 70.
    problem = make_problem(steps=300)

    def diverged(*, paused_at: int | None) -> Found:
        reached = [0]

        def watch(moment: Moment) -> None:
            reached[0] = moment.step

        run = METHODS["bounded"].begin(problem, watch=watch)
        if paused_at is not None:
            assert run.run(lambda: reached[0] >= paused_at) is None
            kept = run.save()
            run = METHODS["bounded"].begin(problem, watch=watch)
            run.restore(kept)
        assert run.run(lambda: reached[0] >= 70) is None
        _spoil(run)
        found = run.run()
        assert found is not None
        return found

    whole = diverged(paused_at=None)
    assert whole.stopped is not None
    assert "diverged" in whole.stopped
    assert_same(diverged(paused_at=60), whole)


def _spoil(run: object) -> None:
    """Makes the weights of a running search infinite, as too high a rate would."""
    supernet = next(part for part in vars(run).values() if isinstance(part, Supernet))
    with torch.no_grad():
        for parameter in supernet.weight_parameters():
            parameter.fill_(float("inf"))


def test_divergence_without_a_good_state_is_raised(make_problem: MakeProblem) -> None:
    problem = make_problem()
    x = torch.full_like(problem.samples.x, float("nan"))
    with pytest.raises(TrainingDiverged):
        search(make_problem(samples=Samples(x, problem.samples.target)))


def kept_at_most(problem: Problem) -> tuple[float, dict[bool, int]]:
    """What the search says that a step of its supernet takes, over the deployed network's; and what
    the hungriest step kept while all paths were open (False) and on the way back (True)."""
    x, target = problem.samples.x[:BATCH_RECORDS], problem.samples.target[:BATCH_RECORDS]
    most = {False: 0, True: 0}
    supernets: list[Supernet] = []

    def watch(moment: Moment) -> None:
        (supernet,) = supernets
        is_folding = any(isinstance(one, FoldingEdge) for one in supernet.modules())
        if is_folding or moment.phase == "search":
            most[is_folding] = max(most[is_folding], step_bytes(supernet, x, target))

    run = METHODS["bounded"].begin(problem, watch=watch)
    supernets += [part for part in vars(run).values() if isinstance(part, Supernet)]
    found = run.run()
    assert found is not None
    assert found.supernet_memory_ratio is not None
    return found.supernet_memory_ratio, most


@pytest.mark.parametrize("rung", ["merged", "one-path", "checkpointed"])
def test_the_way_back_takes_no_more_memory_than_the_search(
    make_problem: MakeProblem, rung: str
) -> None:
    plain = make_problem(steps=40, caps=())
    texts = ("dw k5 d1", "maxpool k3", "mbconv k3 e3", "mbconv k5 e6 se")
    edges = plain.reopening.groups
    reopening = Reopening(dict.fromkeys(edges, texts), {edge: edge for edge in edges})
    problem = make_problem(steps=40, caps=(), reopening=reopening, relaxation=LADDER[rung])
    ratio, most = kept_at_most(problem)
    deployed = step_bytes(
        problem.network, problem.samples.x[:BATCH_RECORDS], problem.samples.target[:BATCH_RECORDS]
    )
    assert most[False] == pytest.approx(ratio * deployed, rel=0.1)
    assert most[True] <= ratio * deployed
    # Where there is room the function fades.
    assert bool(most[True]) == (rung == "merged")
