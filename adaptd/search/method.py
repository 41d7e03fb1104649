"""`Method`: a search method is a composition; `METHODS` is the table of all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from adaptd.clock import Clock
from adaptd.search.caps import NothingFits
from adaptd.search.checkpoint import Checkpoint
from adaptd.search.gradient_search import GradientSearch, Pause
from adaptd.search.guard import Guard
from adaptd.search.objective import FirstOrder, Objective, SecondOrder
from adaptd.search.opening import Opening
from adaptd.search.population_search import Ageing, Draws, Halving, Plan, PopulationSearch
from adaptd.search.problem import Found, Problem, Watch
from adaptd.search.schedule import FoldBack, Retrain
from adaptd.search.selection import MostLikely
from adaptd.space import SOFT

Search = GradientSearch | PopulationSearch


@dataclass(frozen=True)
class GradientMethod:
    """relaxation (`opening`) × objective × schedule × selection: one that opens a supernet.

    is_warm: whether it starts from the deployed weights; a cold one needs far more records.
    """

    name: str
    summary: str
    opening: Opening
    objective: Objective
    schedule: FoldBack | Retrain
    selection: MostLikely

    @property
    def is_warm(self) -> bool:
        return self.opening.is_warm

    def begin(
        self,
        problem: Problem,
        *,
        guards: Sequence[Guard] = (),
        watch: Watch | None = None,
        clock: Clock | None = None,
    ) -> Search:
        """A search that has not yet made a step."""
        return GradientSearch(
            problem,
            opening=self.opening,
            objective=self.objective,
            schedule=self.schedule,
            selection=self.selection,
            guards=guards,
            watch=watch,
            clock=clock,
        )


@dataclass(frozen=True)
class PopulationMethod:
    """One that trains whole architectures: `opening` of each, held-out loss as the objective,
    `plan` as the schedule, the best as the selection."""

    name: str
    summary: str
    opening: Opening
    plan: Plan

    @property
    def is_warm(self) -> bool:
        return self.opening.is_warm

    def begin(
        self,
        problem: Problem,
        *,
        watch: Watch | None = None,
        clock: Clock | None = None,
    ) -> Search:
        """A search that has not yet made a step. Guards watch supernets: it has none."""
        return PopulationSearch(
            problem, opening=self.opening, plan=self.plan, watch=watch, clock=clock
        )


Method = GradientMethod | PopulationMethod

_ROWS: tuple[Method, ...] = (
    GradientMethod(
        "bounded",
        "merged supernet around the deployed network, shrunk and perturbed, folded back exactly",
        opening=Opening(),
        objective=FirstOrder(),
        schedule=FoldBack(),
        selection=MostLikely(pooled=0.5),
    ),
    PopulationMethod(
        "race",
        "successive halving over generic morphs of the deployed network, or over given ones",
        opening=Opening(),
        plan=Halving(),
    ),
    GradientMethod(
        "darts-1st",
        "DARTS: every candidate by itself, from nothing, first order; the choice is retrained",
        opening=Opening(SOFT, is_warm=False, shrinks=False),
        objective=FirstOrder(weights_first=0.0, every=1),
        schedule=Retrain(),
        selection=MostLikely(grows=False, never=("none", "zero")),
    ),
    GradientMethod(
        "darts-2nd",
        "DARTS with the weights' step really unrolled",
        opening=Opening(SOFT, is_warm=False, shrinks=False),
        objective=SecondOrder(weights_first=0.0, every=1),
        schedule=Retrain(),
        selection=MostLikely(grows=False, never=("none", "zero")),
    ),
    PopulationMethod(
        "random",
        "random architectures within the cap, the best of which is kept",
        opening=Opening(shrinks=False),
        plan=Draws(),
    ),
    PopulationMethod(
        "evolution",
        "regularised evolution: one-edit children that inherit weights, the oldest dies",
        opening=Opening(shrinks=False),
        plan=Ageing(),
    ),
)

# Sources: bounded: this project, with Liu et al. 2019 (DARTS), Ash & Adams 2020 (shrink and
# perturb); race: Jamieson & Talwalkar 2016; darts-*: Liu et al. 2019; random: Li & Talwalkar 2020;
# evolution: Real et al. 2019.
METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ROWS})


def require_fitting(method: Method, problem: Problem) -> None:
    """Raises NothingFits where no combination of candidates keeps to the problem's caps, which a
    search would only find out at its end, or where what is deployed is the only one."""
    selection = method.selection if isinstance(method, GradientMethod) else MostLikely(grows=False)
    groups = problem.reopening.group_names
    even = {group: dict.fromkeys(problem.reopening.operations(group), 1.0) for group in groups}
    selection.choose(problem, even)
    if not problem.reopening.has_choice:
        bounds = " and ".join(map(str, problem.caps)) or "no cap"
        raise NothingFits(f"with {bounds} no edge has another candidate worth trying")


def search(
    problem: Problem,
    method: str | Method = "bounded",
    *,
    guards: Sequence[Guard] = (),
    watch: Watch | None = None,
    resumed: Checkpoint | None = None,
    should_pause: Pause = lambda: False,
    keep: Callable[[Checkpoint], None] | None = None,
    clock: Clock | None = None,
) -> Found | None:
    """Runs a method on a problem to its end. The same arguments give the same outcome.

    guards: new ones of `adaptd.search.guards`; none is there unless it is given, and a method that
    opens no supernet has none. watch: called after each step. should_pause: asked before each
    step; a search that pauses hands its state to `keep` and gives None, and goes on exactly there
    when it is called again with that state as `resumed`.
    Raises KeyError for an unknown method, ValueError for too few steps or samples or a cap below
    every candidate, TrainingDiverged where there is no good state to go back to.
    """
    row = METHODS[method] if isinstance(method, str) else method
    run: Search
    if isinstance(row, GradientMethod):
        run = row.begin(problem, guards=guards, watch=watch, clock=clock)
    else:
        run = row.begin(problem, watch=watch, clock=clock)
    if resumed is not None:
        run.restore(resumed)
    found = run.run(should_pause)
    if found is None and keep is not None:
        keep(run.save())
    return found
