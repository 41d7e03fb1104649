"""From a job to a problem: everything that is checked and measured before the first step."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from adaptd.adaptation.samples import samples_of
from adaptd.adaptation.search.candidates import reopening_for
from adaptd.adaptation.search.goal import Bound, Goal
from adaptd.adaptation.search.job import SearchJob
from adaptd.adaptation.search.records import split
from adaptd.adaptation.search.start import Start
from adaptd.architecture import Architecture
from adaptd.clock import Clock
from adaptd.errors import ConfigError
from adaptd.search.budget import Budget
from adaptd.search.candidates import worthwhile
from adaptd.search.caps import Cap, NothingFits
from adaptd.search.compute import checked_device, precision, usual_device
from adaptd.search.guards import GUARDS, default_guards
from adaptd.search.ladder import MemoryBudgetExceeded, budget_bytes, choose_relaxation
from adaptd.search.method import METHODS, GradientMethod, Method, Search, require_fitting
from adaptd.search.problem import Moment, Problem, Watch
from adaptd.search.scarcity import InsufficientData, require_records
from adaptd.search.sensitivity import Scores, most_sensitive, sensitivity
from adaptd.search.training import BATCH_RECORDS, Samples
from adaptd.space.cost import Cost, EdgeCosts, EdgeParameters
from adaptd.space.latency import EdgeLatency
from adaptd.space.memory import predict_bytes
from adaptd.space.network import architecture_edges
from adaptd.space.relaxation import LADDER, MERGED
from adaptd.space.spaces import baseline_for
from adaptd.space.standardise import fit_standardisation
from adaptd.space.supernet import Supernet
from adaptd.stream.batch import Batch

# Enough that the measured steps are those of a search's beginning, whatever its length will be.
_MEASURED_STEPS = 1_000


@dataclass(frozen=True)
class Measured:
    """What is measured when a search begins, and stands for all that goes on with it: another
    moment or machine would give other figures, and they another outcome.

    steps: that the budget allows. latency: None where it is not capped. sensitivity: {} where all
    edges are opened.
    """

    steps: int
    latency: EdgeLatency | None = None
    sensitivity: Scores = field(default_factory=dict)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Measured":
        """Undoes `to_document`."""
        latency = document.get("latency")
        return cls(
            document["steps"],
            EdgeLatency(**latency) if latency else None,
            document.get("sensitivity", {}),
        )

    def to_document(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "steps": self.steps,
            "latency": self.latency.to_document() if self.latency else None,
            "sensitivity": {edge: dict(of_edge) for edge, of_edge in self.sensitivity.items()},
        }


@dataclass(frozen=True, eq=False)
class Plan:
    """problem: with its steps resolved. held_out: records that nothing is trained on.

    deployed_bytes, supernet_bytes: activations that a training step keeps; the latter, and
    relaxation, None for a method without a supernet.
    """

    method: Method
    problem: Problem
    guards: tuple[str, ...]
    budget: Budget
    held_out: Samples
    measured: Measured
    deployed_bytes: int
    supernet_bytes: int | None
    relaxation: str | None
    warnings: tuple[str, ...]

    def begin(self, *, watch: Watch | None = None, clock: Clock | None = None) -> Search:
        """A search that has not yet made a step, with guards of its own."""
        return _begin(self.method, self.problem, self.guards, watch=watch, clock=clock)


def method_of(job: SearchJob) -> Method:
    """Raises ConfigError, with all there are, for a name that is none."""
    if job.method not in METHODS:
        listed = "\n".join(f"  {name:11} {method.summary}" for name, method in METHODS.items())
        raise ConfigError(f"--method {job.method!r}: expected one of\n{listed}")
    return METHODS[job.method]


def budget_of(job: SearchJob) -> Budget:
    """Raises ConfigError for a text that is no budget."""
    try:
        return Budget.parse(job.budget)
    except ValueError as error:
        raise ConfigError(f"--budget: {error}") from error


def goal_of(job: SearchJob) -> Goal:
    """Raises ConfigError for a text that is no objective."""
    try:
        return Goal.parse(job.goal)
    except ValueError as error:
        raise ConfigError(f"--objective {error}") from error


def guards_of(job: SearchJob) -> tuple[str, ...]:
    """Names. Raises ConfigError, with all there are, for one that is none."""
    if job.guards is None:
        return tuple(guard.name for guard in default_guards())
    for name in job.guards:
        if name not in GUARDS:
            listed = "\n".join(f"  {one:18} {kind.summary}" for one, kind in GUARDS.items())
            raise ConfigError(f"--guard {name!r}: expected none, or some of\n{listed}")
    return job.guards


def device_for(job: SearchJob) -> torch.device:
    """Where networks are trained. Raises ConfigError for a device that is not there."""
    if job.device is None:
        return usual_device()
    try:
        return checked_device(job.device)
    except ValueError as error:
        raise ConfigError(f"--device {job.device!r}: {error}") from error


def plan(
    job: SearchJob,
    start: Start,
    batch: Batch,
    *,
    clock: Clock,
    measured: Measured | None = None,
) -> Plan:
    """measured: when the search began; None where it begins now.

    Raises ConfigError, naming the option, for what cannot be done as asked; InsufficientData;
    MemoryBudgetExceeded; JobError for a wall budget that is over before it begins.
    """
    method, budget, goal = method_of(job), budget_of(job), goal_of(job)
    # A supernet is what they watch over.
    guards = guards_of(job) if isinstance(method, GradientMethod) else ()
    if method.is_warm and not start.has_weights:
        raise ConfigError(
            f"--method {method.name} goes out from trained weights, and --from {job.start} has "
            "none: give --weights FILE or a release directory, or a method that begins from "
            f"nothing: {', '.join(name for name, one in METHODS.items() if not one.is_warm)}"
        )
    trained, held_out = split(batch)
    samples, judged = samples_of(trained), samples_of(held_out)
    shape = start.schema.shape
    _require_enough(job, method, start, len(samples))
    edges = {
        name: edge
        for name, edge in architecture_edges(start.architecture).items()
        if name in start.architecture.operations
    }
    reopening = reopening_for(start.architecture, start.openable, edges, shape, job.candidates)
    network = copy.deepcopy(start.network)
    if not start.has_weights:
        fit_standardisation(network, samples.x)
    costs = EdgeCosts.measured(network, edges, shape)
    latency = measured.latency if measured else None
    if goal.latency is not None and latency is None:
        most_macs = None if goal.macs is None else goal.macs.most(costs.total(start.architecture))
        latency = EdgeLatency.measured(
            network, costs, reopening.candidates, shape, most_macs=most_macs, clock=clock
        )
    parameters = EdgeParameters.measured(network, edges)
    problem = Problem(
        network=network,
        architecture=start.architecture,
        samples=samples,
        reopening=reopening,
        edges=edges,
        costs=costs,
        steps=_MEASURED_STEPS,
        seed=job.seed,
        caps=_caps(goal, start.architecture, costs, parameters, latency),
    )
    if job.candidates is None:
        worth = worthwhile(problem.reopening, start.architecture, problem.caps)
        problem = replace(problem, reopening=worth)
    problem = problem.to(device_for(job))
    with precision(job.precision, problem.samples.x.device):
        scores: Scores = measured.sensitivity if measured else {}
        if job.edges is not None and job.edges < len(reopening.groups):
            _check_caps(job, method, problem)
            allowed = budget_bytes(
                budget.memory_ratio, problem.network, problem.samples, batch=BATCH_RECORDS
            )
            scores = scores or sensitivity(problem, byte_budget=allowed)
            problem = replace(problem, reopening=most_sensitive(problem, scores, job.edges))
        _check_caps(job, method, problem)
        problem, supernet_bytes, relaxation = _relaxed(method, problem, budget)
        if measured is None:
            resolved = budget.resolve(_step_seconds(method, problem, guards, clock))
            measured = Measured(resolved, latency, scores)
        problem = replace(problem, steps=measured.steps)
        _check_begins(job, method, problem, guards)
        deployed_bytes = predict_bytes(
            problem.network, problem.samples.x, problem.samples.target, batch=BATCH_RECORDS
        )
    return Plan(
        method=method,
        problem=problem,
        guards=guards,
        budget=budget,
        held_out=judged.to(problem.samples.x.device),
        measured=measured,
        deployed_bytes=deployed_bytes,
        supernet_bytes=supernet_bytes,
        relaxation=relaxation,
        warnings=_warnings(job, method, budget, start, len(samples)),
    )


def _require_enough(job: SearchJob, method: Method, start: Start, records: int) -> None:
    least, classes = job.minimum_records, len(start.schema.classes)
    bounds = {} if least is None else {"minimum_cold": least, "minimum_warm": least, "per_class": 0}
    instead = "the given network as it is"
    if not method.is_warm:
        try:
            baseline = baseline_for(start.schema.shape, classes=classes).network
        except ValueError:
            baseline = "a network of fixed architecture"
        instead = f"{baseline}, which is not searched"
    require_records(
        records,
        classes,
        is_warm=method.is_warm,
        fallback=f"{instead}; or give --minimum-records to search all the same",
        **bounds,
    )


def _begin(
    method: Method,
    problem: Problem,
    guards: Sequence[str],
    *,
    watch: Watch | None = None,
    clock: Clock | None = None,
) -> Search:
    if isinstance(method, GradientMethod):
        made = [GUARDS[name]() for name in guards]
        return method.begin(problem, guards=made, watch=watch, clock=clock)
    return method.begin(problem, watch=watch, clock=clock)


def _caps(
    goal: Goal,
    given: Architecture,
    macs: EdgeCosts,
    parameters: EdgeParameters,
    latency: EdgeLatency | None,
) -> tuple[Cap, ...]:
    bounded: tuple[tuple[Bound | None, Cost | None], ...] = (
        (goal.macs, macs),
        (goal.parameters, parameters),
        (goal.latency, latency),
    )
    return tuple(
        Cap(cost, _whole(bound.most(cost.total(given)), cost))
        for bound, cost in bounded
        if bound is not None and cost is not None
    )


def _whole(most: float, cost: Cost) -> float:
    """What is counted piece by piece is capped at a whole number."""
    return most if isinstance(cost, EdgeLatency) else int(most)


def _check_caps(job: SearchJob, method: Method, problem: Problem) -> None:
    """Before the search, which would only find out at its end."""
    try:
        require_fitting(method, problem)
    except NothingFits as error:
        raise ConfigError(f"--objective {job.goal}: {error}") from error


def _check_begins(job: SearchJob, method: Method, problem: Problem, guards: Sequence[str]) -> None:
    """What a method refuses, it refuses when it begins."""
    option = f"--budget {job.budget}"
    try:
        if isinstance(method, GradientMethod):
            method.schedule.split(problem.steps)
            option = f"--guard {', '.join(guards) or 'none'}"
        _begin(method, problem, guards)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from error


def _relaxed(
    method: Method, problem: Problem, budget: Budget
) -> tuple[Problem, int | None, str | None]:
    """The problem with the relaxation that the memory allows, its bytes, and its name."""
    if not isinstance(method, GradientMethod):
        return problem, None, None
    samples = problem.samples
    allowed = budget_bytes(budget.memory_ratio, problem.network, samples, batch=BATCH_RECORDS)
    own = method.opening.relaxation
    if own == MERGED:
        rung = choose_relaxation(
            problem.network,
            problem.reopening,
            problem.edges,
            samples,
            batch=BATCH_RECORDS,
            byte_budget=allowed,
        )
        return replace(problem, relaxation=rung.relaxation), rung.predicted_bytes, rung.name
    supernet = Supernet.reopen(
        problem.network, problem.reopening, edges=problem.edges, relaxation=own
    )
    needed = predict_bytes(supernet, samples.x, samples.target, batch=BATCH_RECORDS)
    if allowed is not None and needed > allowed:
        raise MemoryBudgetExceeded(
            f"a training step of {method.name}, which computes every candidate by itself, keeps "
            f"{needed:,} bytes of activations; memory={budget.memory_ratio} allows {allowed:,}: "
            "allow more memory, give fewer candidates, or take --method bounded"
        )
    named = next((name for name, one in LADDER.items() if one == own), "every candidate by itself")
    return problem, needed, named


def _step_seconds(
    method: Method, problem: Problem, guards: Sequence[str], clock: Clock
) -> Callable[[], float]:
    """Runs a search that is thrown away afterwards, a step at a time."""
    done = [0]

    def watch(moment: Moment) -> None:
        done[0] = moment.step

    run = _begin(method, problem, guards, watch=watch)

    def measure() -> float:
        before, started = done[0], clock.monotonic()
        run.run(lambda: done[0] > before)
        return (clock.monotonic() - started) / max(1, done[0] - before)

    return measure


def _warnings(
    job: SearchJob, method: Method, budget: Budget, start: Start, records: int
) -> tuple[str, ...]:
    found = []
    try:
        require_records(
            records, len(start.schema.classes), is_warm=method.is_warm, fallback="what was given"
        )
    except InsufficientData as error:
        # Who asks for it all the same may know why.
        found.append(f"{error.shortage}: the outcome may well be worse than what was given")
    if not start.has_weights:
        found.append(
            f"{job.start} has no trained weights: {method.name} begins from nothing, and there is "
            "no accuracy to compare with"
        )
    if budget.memory_ratio is not None and not isinstance(method, GradientMethod):
        found.append(
            f"memory={budget.memory_ratio} bounds a supernet, and {method.name} opens none: it "
            "trains one plain network at a time"
        )
    return tuple(found)
