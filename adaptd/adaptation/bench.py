"""`Bench`: trains, times and exports the members of one job, and keeps where it stands."""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from adaptd.adaptation.job import Job, Member, Progress, Result
from adaptd.adaptation.keeper import Keeper
from adaptd.architecture import Architecture, Contract
from adaptd.observer.latency import prediction_seconds
from adaptd.observer.predictor import Predictor
from adaptd.registry import manifest
from adaptd.search.checkpoint import Checkpoint, CheckpointError
from adaptd.search.course import Resumable
from adaptd.space.cost import count_macs, count_parameters
from adaptd.space.export import export
from adaptd.store.files import fsync_tree

# Progress goes over a pipe: a message every so many steps keeps it out of the profile; and one a
# second at least, where steps are slow, since who is silent is taken for hanging.
STEPS_PER_REPORT = 10
SECONDS_PER_REPORT = 1.0

# The phase that trains nothing.
_WEIGHING = "weighing"

Report = Callable[[Progress], None]
Outcome = TypeVar("Outcome")


class Bench:
    """A job is a row of phases. Each ends with members, and is done for good once they are on disk;
    the one that runs is kept now and then. The outcome is the same wherever it was cut off."""

    def __init__(
        self, job: Job, report: Report, keeper: Keeper, *, identity: Mapping[str, Any]
    ) -> None:
        """identity: what the outcome depends on beside the job; with another one it begins anew."""
        self._job = job
        self._report = report
        self._reported = (0.0, "")
        self._keeper = keeper
        self._contract = Contract.from_document(job.contract)
        self._members: dict[str, Member] = {}
        self._digests: dict[str, dict[str, str]] = {}
        self._facts: dict[str, Any] = {}
        self._done: list[str] = []
        self.phase_seconds: dict[str, float] = {}
        self._resumed = self._take_up(keeper.take_up({"job": job.digest, **identity}))

    def lacks(self, phase: str) -> bool:
        """Whether the phase is still to be done."""
        return phase not in self._done

    def has(self, member: str) -> bool:
        """Whether there is a member of this name."""
        return member in self._members

    def carry_out(self, phase: str, begin: Callable[[], Resumable[Outcome]]) -> Outcome:
        """Runs the phase from where it stands to its end, keeping it now and then. Its seconds are
        added to `phase_seconds`.

        begin: makes what is run; called again where the checkpoint does not fit it.
        Raises Interrupted, and what the running phase raises.
        """
        started = time.monotonic()
        before = self.phase_seconds.get(phase, 0.0)
        running = begin()
        resumed, self._resumed = self._resumed, None
        if resumed is not None and resumed.values["phase"] == phase:
            part = resumed.get_checkpoint("running")
            try:
                running.restore(part or Checkpoint())
                torch.set_rng_state(resumed.tensors["random"])
            except (CheckpointError, KeyError, TypeError, ValueError) as error:
                self._keeper.warn(
                    f"{phase} is begun anew, since the checkpoint does not fit: {error!r}"
                )
                running = begin()
        while True:
            outcome = running.run(self._keeper.should_pause)
            self.phase_seconds[phase] = before + time.monotonic() - started
            if outcome is not None:
                return outcome
            checkpoint = self._state(phase)
            checkpoint.put_checkpoint("running", running.save())
            self._keeper.keep(checkpoint)

    def fact(self, name: str) -> Any:
        """What a phase has found, None where none has."""
        return self._facts.get(name)

    def complete(
        self, phase: str, *, skipped: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        """The phase's members are there. skipped: remedy -> why not. facts: plain values of the
        result that it has found.

        Raises Interrupted.
        """
        self._done.append(phase)
        self._facts.update(facts)
        if skipped:
            self._facts["skipped"] = {**self._facts.get("skipped", {}), **skipped}
        self._keeper.keep(self._state(None))

    def show(self, phase: str, step: int, steps: int, loss: float | None) -> None:
        """Reports now and then, and always the last step."""
        at, reported = self._reported
        now = time.monotonic()
        if (
            step % STEPS_PER_REPORT == 0
            or step == steps
            or phase != reported
            or now - at >= SECONDS_PER_REPORT
        ):
            self._reported = now, phase
            self._report(Progress(phase=phase, step=step, steps=steps, loss=loss))

    def add(
        self,
        name: str,
        architecture: Architecture,
        network: torch.nn.Module,
        *,
        steps: int,
        seconds: float,
    ) -> None:
        """Exports a trained network as a member; on disk when it returns."""
        started = time.monotonic()
        self.show("export", 0, 0, None)
        directory = self._job.output / name
        shutil.rmtree(directory, ignore_errors=True)
        export(network, architecture, self._contract, directory)
        fsync_tree(directory)
        files = sorted(path.name for path in directory.iterdir())
        self._digests[name] = self._digests_of(name, files)
        self._members[name] = Member(
            architecture=architecture.to_document(),
            macs=count_macs(network, self._contract.shape),
            parameters=count_parameters(network),
            steps=steps,
            seconds=seconds,
            directory=name,
            weights=self._digests[name][manifest.WEIGHTS],
        )
        self.phase_seconds["export"] = (
            self.phase_seconds.get("export", 0.0) + time.monotonic() - started
        )

    def weigh(self, names: Iterable[str], champion: torch.nn.Module, directory: Path) -> None:
        """Measures what these of the members take for a prediction, each beside the champion, which
        lies in `directory`; once."""
        if not self.lacks(_WEIGHING):
            return
        deployed = Predictor.load(directory)
        for name in names:
            member = self._members.get(name)
            if member is None:
                continue
            own = Predictor.load(self._job.output / member.directory)
            seconds = prediction_seconds({"own": own, "champion": deployed})
            found = {
                "latency_seconds": seconds["own"],
                "champion_latency_seconds": seconds["champion"],
            }
            self._members[name] = member.model_copy(update=found)
        self.complete(_WEIGHING, champion_parameters=count_parameters(champion))

    def result(self) -> Result:
        """Of all phases."""
        return Result(
            members=self._members,
            phase_seconds={name: round(seconds, 3) for name, seconds in self.phase_seconds.items()},
            **self._facts,
        )

    def _state(self, phase: str | None) -> Checkpoint:
        """phase: the one that runs."""
        checkpoint = Checkpoint()
        checkpoint.values.update(
            phase=phase,
            done=list(self._done),
            members={name: one.model_dump(mode="json") for name, one in self._members.items()},
            digests=self._digests,
            facts=self._facts,
            phase_seconds=dict(self.phase_seconds),
        )
        # A network of somebody's may draw from it, as dropout does.
        checkpoint.tensors["random"] = torch.get_rng_state()
        return checkpoint

    def _take_up(self, kept: Checkpoint | None) -> Checkpoint | None:
        if kept is None:
            return None
        values = kept.values
        try:
            members = {
                name: Member.model_validate(document)
                for name, document in values["members"].items()
            }
            for name in members:
                kept_digests = values["digests"][name]
                if self._digests_of(name, kept_digests) != kept_digests:
                    raise ValueError(f"the files of {name} are not those that were exported")
            self._done, self._facts = list(values["done"]), dict(values["facts"])
            self.phase_seconds = dict(values["phase_seconds"])
            torch.set_rng_state(kept.tensors["random"])
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            self._keeper.begin_anew(f"it does not fit: {error!r}")
            self._done, self._facts, self.phase_seconds = [], {}, {}
            return None
        self._members, self._digests = members, dict(values["digests"])
        return kept

    def _digests_of(self, name: str, files: Iterable[str]) -> dict[str, str]:
        """Of a member's files, as they are now."""
        directory = self._job.output / name
        return {file: hashlib.sha256((directory / file).read_bytes()).hexdigest() for file in files}
