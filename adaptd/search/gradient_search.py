"""`GradientSearch`: open a supernet, move its alphas, lead it back to a plain network."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.clock import Clock, SystemClock
from adaptd.search.checkpoint import Checkpoint
from adaptd.search.concentration import updated
from adaptd.search.descent import Descent, restore_guards
from adaptd.search.guard import Guard
from adaptd.search.limit import Limit
from adaptd.search.objective import Objective
from adaptd.search.opening import Opening
from adaptd.search.problem import Found, Moment, Problem, Watch
from adaptd.search.randomness import Randomness
from adaptd.search.schedule import FoldBack, Retrain
from adaptd.search.selection import MostLikely
from adaptd.search.trainee import Trainee
from adaptd.search.training import BATCH_RECORDS, RATE, TrainingDiverged, rate_at
from adaptd.space import build, fit_standardisation
from adaptd.space.memory import predict_bytes

# Steps between two states that a search which diverges falls back to.
_STEPS_PER_GOOD_STATE = 50
# Share of a search's bytes that folding may take beyond them: kernels that have grown, which do not
# depend on the batch, and no path.
_FOLD_SLACK = 0.02

Pause = Callable[[], bool]


class GradientSearch:
    """One run of a method that opens a supernet; `run` goes on until it is done or paused."""

    def __init__(
        self,
        problem: Problem,
        *,
        opening: Opening,
        objective: Objective,
        schedule: FoldBack | Retrain,
        selection: MostLikely,
        guards: Sequence[Guard] = (),
        watch: Watch | None = None,
        clock: Clock | None = None,
    ) -> None:
        if len(problem.samples) < 4:
            raise ValueError(f"a reopening splits its samples in two, got {len(problem.samples)}")
        if not problem.reopening.has_choice:
            # All steps are left to what is trained.
            schedule = replace(schedule, search=0.0)
        self._problem = problem
        self._schedule = schedule
        self._selection = selection
        self._guards = tuple(guards)
        self._limits = _limits(problem, selection, self._guards)
        self._watch = watch
        self._clock = clock or SystemClock()
        self._seconds = {"search": 0.0, "fold": 0.0}
        self._split = schedule.split(problem.steps)
        self._generator = torch.Generator().manual_seed(problem.seed)
        self._randomness = Randomness(problem.seed, problem.samples.x.device)
        self._supernet = opening.open(problem, self._generator)
        self._descent = Descent(
            self._supernet,
            problem.samples,
            objective,
            steps=self._split.search,
            task=problem.task,
            generator=self._generator,
            guards=self._guards,
        )
        for guard in self._guards:
            guard.start(self._descent.view)
        self._chosen: Architecture | None = None
        self._trainee: Trainee | None = None
        self._alphas: dict[str, dict[str, float]] = {}
        self._logits: list[list[float]] = []
        self._stopped: str | None = None
        self._good: Checkpoint | None = None
        self._supernet_bytes = self._step_bytes(self._supernet)
        self._memory_ratio = self._supernet_bytes / self._step_bytes(problem.network)

    def run(self, should_pause: Pause = lambda: False) -> Found | None:
        """Goes on to the end, or until should_pause, asked before each step, is true: None then.

        Raises TrainingDiverged if the loss is not finite before there is a good state to go back
        to, ValueError if no combination of candidates stays within the cap.
        """
        with self._randomness.installed():
            return self._run(should_pause)

    def _run(self, should_pause: Pause) -> Found | None:
        while self._chosen is None:
            if self._descent.is_over:
                self._choose()
                break
            if should_pause():
                return None
            self._timed("search", self._advance_search)
        trainee = self._trainee
        if trainee is None or self._chosen is None:
            raise RuntimeError("a search that has chosen trains what it chose")
        while trainee.done < self._training_steps:
            if should_pause():
                return None
            if not self._timed("fold", self._advance_training):
                break
        self._end_fold()
        return Found(
            architecture=self._chosen,
            network=trainee.network,
            steps=self._descent.done + trainee.done,
            alphas=self._alphas,
            concentrations=updated(self._problem.concentrations, self._alphas),
            supernet_memory_ratio=self._memory_ratio,
            phase_seconds=dict(self._seconds),
            stopped=self._stopped,
            guards={guard.name: dict(guard.report()) for guard in self._guards},
        )

    def _advance_search(self) -> bool:
        is_due = (
            self._good is None
            or self._descent.done - self._good.values["descent"]["done"] >= _STEPS_PER_GOOD_STATE
        )
        if is_due and not any(guard.is_uneasy for guard in self._guards):
            self._good = self._kept_search()
        try:
            loss = self._descent.advance()
        except TrainingDiverged as error:
            if self._good is None or not self._good.values["descent"]["done"]:
                raise
            # Guards tell of all that happened, also of what is taken back.
            seen = {guard.name: dict(guard.state()) for guard in self._guards}
            self._descent.restore(self._good)
            restore_guards(self._guards, seen)
            self._descent.stopped = f"diverged: {error}"
            return False
        self._report("search", self._descent.done, loss)
        return True

    def _kept_search(self) -> Checkpoint:
        kept = Checkpoint()
        self._descent.save(kept)
        return kept

    def _choose(self) -> None:
        self._stopped = self._descent.stopped
        self._alphas = self._supernet.alphas()
        self._logits = [
            alpha.detach().tolist() for alpha in self._supernet.architecture_parameters()
        ]
        chosen = free = self._selection.choose(self._problem, self._alphas)
        if self._limits:
            chosen = self._selection.choose(self._problem, self._alphas, limits=self._limits)
            for guard in self._guards:
                guard.after_choice(self._problem, free, chosen)
        self._lead_back(chosen)

    def _lead_back(self, chosen: Architecture) -> None:
        """From the supernet to what is trained on: itself, folding, or a fresh network."""
        self._chosen = chosen
        self._good = None
        for guard in self._guards:
            guard.finish(self._descent.view)
        if isinstance(self._schedule, Retrain):
            network = build(chosen, seed=self._problem.seed).to(self._problem.samples.x.device)
            fit_standardisation(network, self._problem.samples.x)
            self._trainee = self._trained(network)
            return
        self._supernet.fold(
            {edge: chosen.operations[edge] for edge in self._problem.reopening.groups}
        )
        if self._step_bytes(self._supernet) > (1 + _FOLD_SLACK) * self._supernet_bytes:
            # A promise of memory holds on the way back, too, even if the function jumps.
            self._split = self._split.without_fold()
        self._trainee = self._trained(self._supernet, self._supernet.weight_parameters())

    def _step_bytes(self, network: nn.Module) -> int:
        """What a training step keeps."""
        problem = self._problem
        x, target = problem.samples.x, problem.samples.target
        batch = min(BATCH_RECORDS, len(x))
        return predict_bytes(network, x, target, batch=batch, loss=problem.task.loss)

    def _trained(self, network: nn.Module, parameters: list[nn.Parameter] | None = None) -> Trainee:
        return Trainee(
            network,
            self._problem.samples,
            task=self._problem.task,
            generator=self._generator,
            parameters=parameters,
        )

    def _advance_training(self) -> bool:
        """One cosine and one optimiser over fold and plain training. False where it ends early."""
        trainee = self._trainee
        assert trainee is not None
        if trainee.done < self._split.fold:
            self._supernet.anneal(1 - trainee.done / self._split.fold)
        else:
            self._end_fold()
        # Also when the fold has just ended: an earlier state would no longer fit the network.
        if trainee.done % _STEPS_PER_GOOD_STATE == 0 or trainee.done == self._split.fold:
            self._good = Checkpoint()
            trainee.save(self._good, "trainee")
        try:
            loss = trainee.advance(rate_at(trainee.done, self._training_steps, RATE))
        except TrainingDiverged as error:
            if self._good is None or not self._good.values["trainee"]["done"]:
                raise
            trainee.restore(self._good, "trainee")
            # A search that was ended early may diverge once more: neither reason is lost.
            reasons = (self._stopped, f"diverged: {error}")
            self._stopped = "; then ".join(reason for reason in reasons if reason)
            return False
        self._report("fold", self._descent.done + trainee.done, loss)
        return True

    def _end_fold(self) -> None:
        trainee = self._trainee
        if trainee is not None and trainee.network is self._supernet:
            self._supernet.anneal(0)
            trainee.network = self._supernet.discretise()

    @property
    def _training_steps(self) -> int:
        """All that the search has left, also where a guard ended it early."""
        return self._split.total - self._descent.done

    def save(self) -> Checkpoint:
        """Where the search stands; a search with the same arguments goes on from it exactly."""
        checkpoint = Checkpoint()
        checkpoint.values["seconds"] = dict(self._seconds)
        checkpoint.values["stopped"] = self._stopped
        self._randomness.save(checkpoint)
        if self._good is not None:
            # What a search that diverges falls back to must not depend on where it was paused.
            checkpoint.put_checkpoint("good", self._good)
        if self._chosen is None or self._trainee is None:
            checkpoint.values["phase"] = "search"
            self._descent.save(checkpoint)
            return checkpoint
        checkpoint.values["phase"] = "fold"
        checkpoint.values["chosen"] = self._chosen.to_document()
        checkpoint.values["alphas"] = self._alphas
        checkpoint.values["logits"] = self._logits
        checkpoint.values["searched"] = self._descent.done
        checkpoint.values["guards"] = {guard.name: dict(guard.state()) for guard in self._guards}
        self._trainee.save(checkpoint, "trainee")
        return checkpoint

    def restore(self, checkpoint: Checkpoint) -> None:
        """Raises CheckpointError if the checkpoint is of another search."""
        values = checkpoint.values
        self._seconds.update(values["seconds"])
        self._randomness.restore(checkpoint)
        if values["phase"] == "search":
            self._descent.restore(checkpoint)
            self._good = checkpoint.get_checkpoint("good")
            return
        self._stopped, self._alphas, self._logits = (
            values["stopped"],
            values["alphas"],
            values["logits"],
        )
        # What folds, folds by the weights of the moment of choice.
        for group, logits in zip(self._problem.reopening.group_names, self._logits, strict=True):
            self._supernet.set_logits(group, logits)
        self._descent.done = values["searched"]
        restore_guards(self._guards, values["guards"])
        self._lead_back(Architecture.from_document(values["chosen"]))
        assert self._trainee is not None
        if values["trainee"]["done"] > self._split.fold:
            self._end_fold()
        self._trainee.restore(checkpoint, "trainee")
        self._good = checkpoint.get_checkpoint("good")

    def _timed(self, phase: str, advance: Callable[[], bool]) -> bool:
        started = self._clock.monotonic()
        went_on = advance()
        self._seconds[phase] += self._clock.monotonic() - started
        return went_on

    def _report(self, phase: str, done: int, loss: float) -> None:
        if self._watch is None:
            return
        alphas = self._supernet.alphas() if phase == "search" else self._alphas
        self._watch(Moment(phase, done, self._split.total, loss, alphas))


def _limits(problem: Problem, selection: MostLikely, guards: Sequence[Guard]) -> tuple[Limit, ...]:
    """What guards demand of the choice. Raises ValueError, before a step is spent, if two guards
    have one name, or no combination of candidates keeps to the limits."""
    names = [guard.name for guard in guards]
    if len(set(names)) < len(names):
        raise ValueError(f"each guard may be given once, got {names}")
    limits = tuple(limit for guard in guards for limit in guard.limits(problem) or ())
    if limits:
        reopening = problem.reopening
        even = {
            group: dict.fromkeys(reopening.operations(group), 1.0)
            for group in reopening.group_names
        }
        selection.choose(problem, even, limits=limits)
    return limits
