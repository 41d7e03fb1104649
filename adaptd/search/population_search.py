"""`PopulationSearch`: architectures trained for a while and judged on held-out records."""

import copy
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.clock import Clock, SystemClock
from adaptd.search.arms import generic_arms
from adaptd.search.caps import NothingFits, amounts, within
from adaptd.search.checkpoint import Checkpoint
from adaptd.search.opening import Opening
from adaptd.search.problem import Found, Moment, Problem, Watch
from adaptd.search.randomness import Randomness
from adaptd.search.stacked_trainees import StackedTrainees
from adaptd.search.trainee import Trainee
from adaptd.search.training import RATE, Samples, TrainingDiverged, loss_on, rate_at
from adaptd.space import morph
from adaptd.space.stack import Unstackable

# Share of the samples that judges architectures, and the most records that do.
_HELD_OUT_SHARE = 0.25
_HELD_OUT_RECORDS = 500
# What a morph adds to a changed kernel, as a share of its size, so that new taps break symmetry.
_NOISE = 0.06
# Share of the rate that an arm's training falls to in a round: it is not over yet.
_ROUND_TAIL = 0.1
# Steps between two states that the last training falls back to where it diverges.
_STEPS_PER_GOOD_STATE = 50
# Two as one take nearly the time of two.
_FEWEST_STACKED = 3

Pause = Callable[[], bool]


class _Paused(Exception):
    """Unwinds a plan between two steps; `run` gives None."""


@dataclass(frozen=True)
class Plan(ABC):
    """Which architectures are trained for how long. share: of all steps, at most."""

    share: float = 0.25

    @abstractmethod
    def run(self, bench: "PopulationSearch") -> Architecture:
        """Trains and judges arms on the bench; returns the best. Deterministic, since a search that
        is resumed runs it again on the recorded losses."""


@dataclass(frozen=True)
class Halving(Plan):
    """Successive halving: all arms for a while, the better half for as long again, to the last.

    Source: Jamieson & Talwalkar 2016, "Non-stochastic best arm identification".
    """

    def run(self, bench: "PopulationSearch") -> Architecture:
        arms = list(bench.problem.arms or generic_arms(bench.problem))
        if not arms:
            raise bench.nothing_fits()
        rounds = max(1, (len(arms) - 1).bit_length())
        per_round = int(self.share * bench.problem.steps / rounds)
        while len(arms) > 1:
            losses = bench.judge_all(arms, per_round // len(arms))
            arms = sorted(arms, key=losses.__getitem__)[: -(-len(arms) // 2)]
        return arms[0]


@dataclass(frozen=True)
class Draws(Plan):
    """Random architectures within the cap, all for as long; the best is kept.

    Source: Li & Talwalkar 2020, "Random search and reproducibility for neural architecture search".
    """

    arms: int = 8

    def run(self, bench: "PopulationSearch") -> Architecture:
        drawn = bench.drawn(self.arms)
        per_arm = int(self.share * bench.problem.steps / len(drawn))
        losses = bench.judge_all(drawn, per_arm)
        return min(drawn, key=losses.__getitem__)


@dataclass(frozen=True)
class Ageing(Plan):
    """Regularised evolution: the best of a sample has a child of one edit, the oldest dies.

    Children inherit their parent's weights.
    Source: Real et al. 2019, "Regularized evolution for image classifier architecture search".
    """

    population: int = 4
    sample: int = 2
    children: int = 8

    def run(self, bench: "PopulationSearch") -> Architecture:
        per_arm = int(self.share * bench.problem.steps / (self.population + self.children))
        alive = bench.drawn(self.population)
        losses = {arm: bench.judge(arm, per_arm) for arm in alive}
        for _ in range(self.children):
            parent = min(
                bench.random.sample(alive, min(self.sample, len(alive))), key=losses.__getitem__
            )
            child = bench.mutated(parent)
            if child in losses:
                continue
            losses[child] = bench.judge(child, per_arm, parent=parent)
            alive = [*alive[1:], child] if len(alive) >= self.population else [*alive, child]
        return min(losses, key=losses.__getitem__)


class PopulationSearch:
    """One run of a method that trains whole architectures; `run` goes on until done or paused."""

    def __init__(
        self,
        problem: Problem,
        *,
        opening: Opening,
        plan: Plan,
        watch: Watch | None = None,
        clock: Clock | None = None,
    ) -> None:
        if len(problem.samples) < 4:
            raise ValueError(f"a search holds samples out, got {len(problem.samples)} of them")
        self.problem = problem
        self.random = random.Random(problem.seed)
        self._plan = plan
        self._watch = watch
        self._clock = clock or SystemClock()
        self._generator = torch.Generator().manual_seed(problem.seed)
        self._randomness = Randomness(problem.seed, problem.samples.x.device)
        self._champion = opening.start(problem, self._generator)
        order = torch.randperm(len(problem.samples), generator=self._generator)
        held_out = max(1, int(_HELD_OUT_SHARE * len(problem.samples)))
        judged = problem.samples.at(order[: min(held_out, _HELD_OUT_RECORDS)])
        self._judged = judged.resampled(self._generator)
        _, self._trained = problem.samples.divided(order, held_out)
        self._arms: dict[str, Trainee] = {}
        self._lineage: dict[str, tuple[Architecture, Architecture | None]] = {}
        # Of each judgement: the arm's digest, its parent's or "", the steps, the loss.
        self._log: list[tuple[str, str, int, float]] = []
        self._replayed = 0
        self._spent = 0
        self._final: Trainee | None = None
        self._good: Checkpoint | None = None
        self._stopped: str | None = None
        self._seconds = {"search": 0.0, "train": 0.0}
        self._should_pause: Pause = lambda: False
        self._pending: Checkpoint | None = None

    def run(self, should_pause: Pause = lambda: False) -> Found | None:
        """Goes on to the end, or until should_pause, asked before each step, is true: None then.

        Raises TrainingDiverged, ValueError if no architecture fits the cap.
        """
        self._should_pause = should_pause
        # A plan that was paused begins again; what it has judged stands in the log.
        self.random = random.Random(self.problem.seed)
        self._replayed = self._spent = 0
        try:
            with self._randomness.installed():
                with self._timed("search"):
                    best = self._plan.run(self)
                with self._timed("train"):
                    final = self._finish(best)
        except _Paused:
            return None
        return Found(
            architecture=best,
            network=final.network,
            steps=self._spent + final.done,
            phase_seconds=dict(self._seconds),
            stopped=self._stopped,
        )

    def judge(self, arm: Architecture, steps: int, *, parent: Architecture | None = None) -> float:
        """Trains an arm for so many more steps and returns its loss on the held-out records."""
        digest, of_parent = arm.digest, parent.digest if parent else ""
        if self._replayed < len(self._log) and self._log[self._replayed][:3] == (
            digest,
            of_parent,
            steps,
        ):
            loss = self._log[self._replayed][3]
            self._replayed += 1
            self._spent += steps
            return loss
        trainee = self._trainee(arm, parent)
        goal = self._goal(digest, steps)
        while trainee.done < goal:
            if self._should_pause():
                raise _Paused
            try:
                value = trainee.advance(_rate(goal - trainee.done, steps))
            except TrainingDiverged:
                break
            self._report("race", self._spent + steps - (goal - trainee.done), value)
        # One that diverges has lost, and the others go on.
        has_diverged = trainee.done < goal
        loss = math.inf if has_diverged else self._held_out_loss(trainee.network)
        self._log.append((digest, of_parent, steps, loss))
        self._replayed += 1
        self._spent += steps
        return loss

    def judge_all(self, arms: Sequence[Architecture], steps: int) -> dict[Architecture, float]:
        """`judge` of each; their steps are made as one where their networks make a stack."""
        if steps and self._replayed == len(self._log) and len(arms) >= _FEWEST_STACKED:
            self._train_together(arms, steps)
        return {arm: self.judge(arm, steps) for arm in arms}

    @property
    def judgements(self) -> list[tuple[Architecture, int, float]]:
        """In order: the arm, the steps that it was trained for by then, its held-out loss."""
        trained: dict[str, int] = {}
        made = []
        for digest, _, steps, loss in self._log:
            trained[digest] = trained.get(digest, 0) + steps
            made.append((self._lineage[digest][0], trained[digest], loss))
        return made

    def _train_together(self, arms: Sequence[Architecture], steps: int) -> None:
        """Brings all arms to where `judge` would train each; none where they cannot be stacked."""
        trainees = [self._trainee(arm) for arm in arms]
        try:
            stacked = StackedTrainees(trainees)
        except Unstackable:
            return
        first = trainees[0]
        goal = self._goal(arms[0].digest, steps)
        try:
            while first.done < goal:
                if self._should_pause():
                    raise _Paused
                values = stacked.advance(_rate(goal - first.done, steps))
                done = len(arms) * (steps - (goal - first.done))
                self._report("race", self._spent + done, fmean(values))
        except TrainingDiverged:
            # Which of them it was shows when they go on by themselves.
            pass
        finally:
            stacked.unstack()

    def _trainee(self, arm: Architecture, parent: Architecture | None = None) -> Trainee:
        """Of the arm, as far as it is trained."""
        trainee = self._arms.get(arm.digest)
        if trainee is None:
            trainee = self._arms[arm.digest] = self._opened(arm, parent)
            self._lineage[arm.digest] = (arm, parent)
        return trainee

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        started = self._clock.monotonic()
        try:
            yield
        finally:
            self._seconds[phase] += self._clock.monotonic() - started

    def _goal(self, digest: str, steps: int) -> int:
        """Steps that the arm has behind it after this round, however often it was interrupted."""
        return sum(entry[2] for entry in self._log[: self._replayed] if entry[0] == digest) + steps

    def drawn(self, count: int) -> list[Architecture]:
        """Distinct random architectures within the cap, the incumbent first if it is.

        Raises NothingFits if there are none.
        """
        arms = [arm for arm in (self.problem.architecture,) if self._fits(arm)]
        # Where the cap leaves few, the same is drawn again and again.
        for _ in range(50 * count):
            if len(arms) == count:
                break
            arm = self.problem.architecture
            for group in self.problem.reopening.group_names:
                operation = self.random.choice(self.problem.reopening.operations(group))
                arm = self._on(arm, group, operation)
            if self._fits(arm) and arm not in arms:
                arms.append(arm)
        if not arms:
            raise self.nothing_fits()
        return arms

    def nothing_fits(self) -> NothingFits:
        """Where the cap leaves no architecture to train."""
        return NothingFits(
            f"no architecture was found with {' and '.join(map(str, self.problem.caps))}; the "
            f"deployed one takes {amounts(self.problem.caps, self.problem.architecture)}"
        )

    def mutated(self, parent: Architecture) -> Architecture:
        """Another operation on one random group, within the cap; the parent where none fits."""
        groups = self.problem.reopening.group_names
        options = [
            child
            for group in groups
            for operation in self.problem.reopening.operations(group)
            if (child := self._on(parent, group, operation)) != parent and self._fits(child)
        ]
        return self.random.choice(options) if options else parent

    def _on(self, arm: Architecture, group: str, operation: str) -> Architecture:
        return arm.with_operations(dict.fromkeys(self.problem.reopening.edges(group), operation))

    def _fits(self, arm: Architecture) -> bool:
        return within(self.problem.caps, arm)

    def _opened(self, arm: Architecture, parent: Architecture | None) -> Trainee:
        source, inherited = self.problem.architecture, self._champion
        if parent is not None and parent.digest in self._arms:
            source, inherited = parent, self._arms[parent.digest].network
        # The same noise and the same batches for every arm: only the architecture differs.
        generator = torch.Generator().manual_seed(self.problem.seed)
        network = morph(inherited, source, arm, noise=_NOISE, generator=generator)
        return Trainee(
            network if network is not inherited else copy.deepcopy(inherited),
            self._trained,
            task=self.problem.task,
            # Arms draw more or less noise, after which the batches of a shared one would differ.
            generator=torch.Generator().manual_seed(self.problem.seed),
        )

    def _held_out_loss(self, network: nn.Module) -> float:
        """With the statistics of the batch, so that young running statistics do not decide."""
        probe = copy.deepcopy(network).train()
        with torch.no_grad():
            return float(loss_on(self._judged, probe(self._judged.x), self.problem.task.loss))

    def _finish(self, best: Architecture) -> Trainee:
        """All samples, a fresh optimiser, a cosine over what is left of the steps."""
        if self._final is None:
            trainee = self._arms.get(best.digest) or self._opened(best, None)
            self._final = self._final_trainee(trainee.network, self.problem.samples)
            if self._pending is not None and "final" in self._pending.values:
                self._final.restore(self._pending, "final")
        steps = self.problem.steps - self._spent
        while self._final.done < steps:
            if self._should_pause():
                raise _Paused
            if self._final.done % _STEPS_PER_GOOD_STATE == 0:
                self._good = Checkpoint()
                self._final.save(self._good, "final")
            try:
                value = self._final.advance(rate_at(self._final.done, steps, RATE))
            except TrainingDiverged as error:
                if self._good is None or not self._good.values["final"]["done"]:
                    raise
                self._final.restore(self._good, "final")
                self._stopped = f"diverged: {error}"
                break
            self._report("train", self._spent + self._final.done, value)
        return self._final

    def _final_trainee(self, network: nn.Module, samples: Samples) -> Trainee:
        generator = torch.Generator().manual_seed(self.problem.seed)
        return Trainee(network, samples, task=self.problem.task, generator=generator)

    def save(self) -> Checkpoint:
        """Where the search stands; a search with the same arguments goes on from it exactly."""
        checkpoint = Checkpoint()
        checkpoint.values["phase"] = "population"
        self._randomness.save(checkpoint)
        checkpoint.values["log"] = [list(entry) for entry in self._log]
        checkpoint.values["arms"] = [
            [arm.to_document(), parent.to_document() if parent else None]
            for arm, parent in self._lineage.values()
        ]
        checkpoint.values["seconds"] = dict(self._seconds)
        for digest, trainee in self._arms.items():
            trainee.save(checkpoint, f"arm-{digest}")
        if self._final is not None:
            self._final.save(checkpoint, "final")
        if self._good is not None:
            # What a search that diverges falls back to must not depend on where it was paused.
            checkpoint.put_checkpoint("good", self._good)
        return checkpoint

    def restore(self, checkpoint: Checkpoint) -> None:
        """Raises CheckpointError if the checkpoint is of another search."""
        self._good = checkpoint.get_checkpoint("good")
        self._log = [
            # A file has no infinity.
            (digest, parent, steps, math.inf if loss is None else loss)
            for digest, parent, steps, loss in checkpoint.values["log"]
        ]
        self._seconds.update(checkpoint.values["seconds"])
        self._randomness.restore(checkpoint)
        for document, of_parent in checkpoint.values["arms"]:
            arm = Architecture.from_document(document)
            parent = Architecture.from_document(of_parent) if of_parent else None
            trainee = self._opened(arm, parent)
            trainee.restore(checkpoint, f"arm-{arm.digest}")
            self._arms[arm.digest] = trainee
            self._lineage[arm.digest] = (arm, parent)
        self._pending = checkpoint

    def _report(self, phase: str, done: int, loss: float) -> None:
        if self._watch is None:
            return
        arms = {digest: of_arm for digest, _, _, of_arm in self._log}
        self._watch(Moment(phase, done, self.problem.steps, loss, arms=arms))


def _rate(left: int, steps: int) -> float:
    """Of a round's step when so many of its steps are left."""
    return RATE * (1 - (1 - _ROUND_TAIL) * (1 - left / max(steps, 1)))
