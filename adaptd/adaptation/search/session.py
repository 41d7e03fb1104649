"""`SearchSession`: one search from its first step to its report, with pauses in between."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from adaptd.adaptation.search.directory import SearchDirectory, State
from adaptd.adaptation.search.job import (
    Arm,
    Facts,
    SearchJob,
    SearchMoment,
    SearchWatch,
    check_same,
)
from adaptd.adaptation.search.plan import (
    Measured,
    Plan,
    budget_of,
    device_for,
    goal_of,
    guards_of,
    method_of,
    plan,
)
from adaptd.adaptation.search.records import Recorded, read_records
from adaptd.adaptation.search.report import leave, versions
from adaptd.adaptation.search.start import Start, start_of
from adaptd.adaptation.search.trace import Trace
from adaptd.architecture import Architecture, diff
from adaptd.clock import Clock
from adaptd.errors import ConfigError
from adaptd.search.budget import limited_threads
from adaptd.search.checkpoint import Checkpoint, CheckpointError
from adaptd.search.compute import precision
from adaptd.search.guards import GUARDS, default_guards
from adaptd.search.method import METHODS
from adaptd.search.population_search import PopulationSearch
from adaptd.search.problem import Found, Moment
from adaptd.stream.segment import read_segment, write_segment

# Steps that a killed process loses at most. A checkpoint takes about as long as two steps.
STEPS_PER_CHECKPOINT = 100

Pause = Callable[[], bool]


def methods() -> dict[str, str]:
    """Name -> what it does, in one line."""
    return {name: method.summary for name, method in METHODS.items()}


def guards() -> dict[str, str]:
    """Name -> what it does, in one line; those that are usual say so."""
    usual = {guard.name for guard in default_guards()}
    return {
        name: f"{kind.summary}{'; usual' if name in usual else ''}" for name, kind in GUARDS.items()
    }


class SearchSession:
    """Opened for a directory that this process holds; `run` goes on until done or paused."""

    def __init__(
        self, job: SearchJob, directory: SearchDirectory, state: State, *, clock: Clock
    ) -> None:
        """state: "begun" goes on with what is there; otherwise the directory is emptied.

        Nothing is written before all that can be checked is. Raises ConfigError for what cannot be
        done as asked and for another search than the one begun, CheckpointError for a damaged
        checkpoint, JobError, SourceError or MemoryBudgetExceeded.
        """
        self._job = job
        self._directory = directory
        self._clock = clock
        self._step = 0
        self._run: Any = None
        self._told: SearchMoment | None = None
        # First what takes no time.
        method_of(job), goal_of(job), guards_of(job)
        self._budget = budget_of(job)
        self._device = device_for(job)
        kept = Checkpoint.load(directory.checkpoint) if state == "begun" else None
        note = _note(kept)
        if note:
            check_same(job, note["job"], directory.path)
            _check_versions(note["versions"], versions(self._device))
        with limited_threads(self._budget.cores):
            self._start = start_of(job)
            if note and _identity(self._start) != note["start"]:
                raise ConfigError(
                    f"--from {job.start} is no longer the network that the search in "
                    f"{directory.path} was begun with; --force begins anew"
                )
            self._recorded = self._records(note)
            self._plan: Plan = plan(
                job,
                self._start,
                self._recorded.batch,
                clock=clock,
                measured=Measured.from_document(note["measured"]) if note else None,
            )
        if not note:
            directory.clear()
            digest, _ = write_segment(directory.records, self._recorded.batch)
            note = {
                "job": job.to_document(),
                "start": _identity(self._start),
                "versions": versions(self._device),
                "measured": self._plan.measured.to_document(),
                "records": {
                    "stream": self._recorded.name,
                    "digest": digest,
                    "trained": len(self._plan.problem.samples),
                    "held_out": len(self._plan.held_out),
                    "rejected": self._recorded.rejected,
                },
                "trace": Trace().state,
                "step": 0,
            }
        self._note = note
        self._kept = kept
        self._trace = Trace(note["trace"])
        self._step = note["step"]
        self._resumed_at: int | None = note["step"] if kept is not None else None

    @property
    def facts(self) -> Facts:
        """What is known before the first step."""
        problem, method = self._plan.problem, self._plan.method
        groups = {group: problem.reopening.edges(group) for group in problem.reopening.group_names}
        return Facts(
            method=method.name,
            summary=method.summary,
            stream=self._recorded.name,
            records=len(problem.samples),
            held_out=len(self._plan.held_out),
            steps=problem.steps,
            macs=problem.costs.total(problem.architecture),
            caps={cap.cost.unit: cap.most for cap in problem.caps},
            groups=groups,
            deployed={
                group: problem.architecture.operations[edges[0]] for group, edges in groups.items()
            },
            deployed_bytes=self._plan.deployed_bytes,
            supernet_bytes=self._plan.supernet_bytes,
            relaxation=self._plan.relaxation,
            resumed_at=self._resumed_at,
            warnings=self._plan.warnings,
        )

    @property
    def step(self) -> int:
        """Steps that are done and kept."""
        return int(self._note["step"])

    def run(
        self, watch: SearchWatch = lambda _moment: None, should_pause: Pause = lambda: False
    ) -> dict[str, Any] | None:
        """The report once it is written; None where should_pause, asked before each step, is true.

        Every hundred steps, and at a pause, a checkpoint is kept that the next session goes on
        from: the outcome is the same as without the pause. watch: called after each step.
        Raises TrainingDiverged, ArtifactError, StoreUnavailable.
        """

        def tell(moment: Moment) -> None:
            self._step = moment.step
            told = SearchMoment(
                phase=moment.phase,
                step=moment.step,
                steps=moment.steps,
                loss=moment.loss,
                alphas=moment.alphas,
                arms=tuple({arm.digest: arm for arm in self._judgements()}.values()),
            )
            self._trace.add(told)
            self._told = told
            watch(told)

        with limited_threads(self._budget.cores):
            with precision(self._job.precision, self._device):
                self._run = self._plan.begin(watch=tell, clock=self._clock)
                if self._kept is not None:
                    self._restore(self._kept)
                found = self._advance(should_pause)
            if found is None:
                return None
            if self._told is not None:
                # Exporting takes as long as a hundred steps: nobody shall think that it hangs.
                watch(replace(self._told, phase="export"))
            return self._finish(found)

    def _advance(self, should_pause: Pause) -> Found | None:
        while True:
            begun = self._step
            found: Found | None = self._run.run(
                lambda begun=begun: should_pause() or self._step - begun >= STEPS_PER_CHECKPOINT
            )
            if found is not None:
                return found
            self._keep()
            if should_pause():
                return None

    def _keep(self) -> None:
        checkpoint: Checkpoint = self._run.save()
        self._note = {**self._note, "trace": self._trace.state, "step": self._step}
        checkpoint.values["session"] = self._note
        checkpoint.save(self._directory.checkpoint)

    def _restore(self, kept: Checkpoint) -> None:
        try:
            self._run.restore(kept)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self._directory.checkpoint}: does not fit the search: {error!r}; "
                "--force begins anew"
            ) from error

    def _finish(self, found: Found) -> dict[str, Any]:
        report = leave(
            self._directory,
            self._job,
            start=self._start,
            plan=self._plan,
            found=found,
            records=self._note["records"],
            now=self._clock.now(),
        )
        self._directory.write_trace(self._trace.to_document(self._judgements()))
        self._directory.finish(report)
        return report

    def _records(self, note: Mapping[str, Any]) -> Recorded:
        """On the way on those that it was begun with: the stream may have others by now."""
        if not note:
            return read_records(self._job, self._start.schema, clock=self._clock)
        kept = note["records"]
        path = self._directory.records / f"{kept['digest']}.arrow"
        return Recorded(
            kept["stream"],
            self._start.schema,
            read_segment(path, kept["digest"]),
            kept["rejected"],
        )

    def _judgements(self) -> list[Arm]:
        if not isinstance(self._run, PopulationSearch):
            return []
        return [
            Arm(arm.digest, self._name_of(arm), steps, loss)
            for arm, steps, loss in self._run.judgements
        ]

    def _name_of(self, arm: Architecture) -> str:
        """By what differs from the given architecture, group by group."""
        problem = self._plan.problem
        if not diff(problem.architecture, arm):
            return "as given"
        operations = {
            group: arm.operations[problem.reopening.edges(group)[0]]
            for group in problem.reopening.group_names
        }
        if len(operations) > 1 and len(set(operations.values())) == 1:
            return f"{next(iter(operations.values()))} everywhere"
        changed = {
            group: operation
            for group, operation in operations.items()
            if operation != problem.architecture.operations[problem.reopening.edges(group)[0]]
        }
        return ", ".join(f"{group}: {operation}" for group, operation in changed.items())


def _note(kept: Checkpoint | None) -> dict[str, Any]:
    if kept is None:
        return {}
    note = kept.values.get("session")
    if not isinstance(note, dict):
        raise CheckpointError("the checkpoint is of no search of this command; --force begins anew")
    return note


def _identity(start: Start) -> dict[str, Any]:
    return {
        "release": start.digest,
        "weights": start.weights_digest,
        "architecture": start.architecture.digest,
    }


def _check_versions(begun: Mapping[str, str], now: Mapping[str, str]) -> None:
    for name, seen in now.items():
        if begun.get(name) != seen:
            raise ConfigError(
                f"the search was begun with {name} {begun.get(name)}, and goes on to the same "
                f"outcome with that alone; this is {name} {seen}: --force begins anew"
            )
