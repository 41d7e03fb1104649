"""Training several networks of one structure at once."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from adaptd.search.checkpoint import Checkpoint, CheckpointError
from adaptd.search.course import Course, Pause
from adaptd.search.training import (
    RATE,
    WEIGHT_DECAY,
    Samples,
    TrainingDiverged,
    minibatches,
    optimiser_for,
    rate_at,
)
from adaptd.space.stack import Stack, Unstackable

# Number of the member, number of its steps done, loss of the last one (cross entropy, nats).
MemberProgress = Callable[[int, int, float], None]


class MembersDiverged(TrainingDiverged):
    """The loss of some members became NaN or infinite; the text names members and steps.

    members: number of the member -> what happened. These are as they were when it happened; all
    others are trained to the end.
    """

    def __init__(self, members: Mapping[int, str]) -> None:
        super().__init__("; ".join(f"network {number}: {text}" for number, text in members.items()))
        self.members = dict(members)


@dataclass(frozen=True)
class _How:
    """What is the same for every member."""

    samples: Samples
    steps: int
    seed: int
    rate: float
    weight_decay: float
    progress: MemberProgress


def train_stacked(
    networks: Sequence[nn.Module],
    samples: Samples,
    *,
    steps: int,
    seed: int,
    rate: float = RATE,
    weight_decay: float = WEIGHT_DECAY,
    progress: MemberProgress | None = None,
) -> str | None:
    """Trains each network as `train` does, on the same batches; weights differ by rounding alone.

    Networks that make a `Stack` are computed as one, in a fraction of the time; others are trained
    one after the other. Returns None, or why they were not stacked.
    progress: called for each member after each of its steps.
    Raises MembersDiverged, after the others are trained.
    """
    training = StackedTraining(
        networks,
        samples,
        steps=steps,
        seed=seed,
        rate=rate,
        weight_decay=weight_decay,
        progress=progress,
    )
    training.run()
    return training.reason


class StackedTraining:
    """What `train_stacked` does, with pauses. reason: why the networks are trained in turn, None
    where they are computed as one."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        samples: Samples,
        *,
        steps: int,
        seed: int,
        rate: float = RATE,
        weight_decay: float = WEIGHT_DECAY,
        progress: MemberProgress | None = None,
    ) -> None:
        """As `train_stacked`."""
        how = _How(samples, steps, seed, rate, weight_decay, progress or _unheard)
        self.reason: str | None = None
        self._training: _AsOne | _InTurn
        try:
            self._training = _AsOne(networks, how)
        except Unstackable as error:
            self.reason = str(error)
            self._training = _InTurn(networks, how)

    def run(self, should_pause: Pause = lambda: False) -> Sequence[nn.Module] | None:
        """The networks once they are trained, None at a pause.

        Raises MembersDiverged, after the others are trained.
        """
        if not self._training.run(should_pause):
            return None
        if self._training.diverged:
            raise MembersDiverged(self._training.diverged)
        return self._training.networks

    def save(self) -> Checkpoint:
        """Where it stands."""
        checkpoint = Checkpoint()
        checkpoint.values["form"] = type(self._training).__name__
        checkpoint.values["diverged"] = [*self._training.diverged.items()]
        self._training.save(checkpoint)
        return checkpoint

    def restore(self, checkpoint: Checkpoint) -> None:
        """The way back, see `Resumable`."""
        form = type(self._training).__name__
        if checkpoint.values["form"] != form:
            raise CheckpointError(
                f"the checkpoint is of networks trained by {checkpoint.values['form']}, not {form}"
            )
        self._training.diverged.update(
            (int(one), text) for one, text in checkpoint.values["diverged"]
        )
        self._training.restore(checkpoint)


class _AsOne:
    """All at once. Raises Unstackable, with the networks as they were."""

    def __init__(self, networks: Sequence[nn.Module], how: _How) -> None:
        if len(networks) == 1:
            raise Unstackable("a single network is trained alone")
        self.networks = networks
        self.diverged: dict[int, str] = {}
        self._how = how
        self._done = 0
        for network in networks:
            network.train()
        self._stack = Stack(networks)
        self._generator = torch.Generator().manual_seed(how.seed)
        self._batches = minibatches(how.samples, self._generator)
        self._optimiser = optimiser_for(
            self._stack.parameters, rate=how.rate, weight_decay=how.weight_decay
        )
        # The first batch of the training, from a generator of its own.
        first = minibatches(how.samples, torch.Generator().manual_seed(how.seed))
        self._stack.check(next(first).x)

    def run(self, should_pause: Pause) -> bool:
        """False at a pause."""
        while self._done < self._how.steps and len(self.diverged) < len(self.networks):
            if should_pause():
                return False
            self._advance()
        for member in range(len(self.networks)):
            if member not in self.diverged:
                self._stack.unstack(member)
        return True

    def _advance(self) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = rate_at(self._done, self._how.steps, self._how.rate)
        values = self._prepare_step(next(self._batches))
        for member, value in enumerate(values):
            if member not in self.diverged and not math.isfinite(value):
                self.diverged[member] = (
                    f"the loss is {value} at step {self._done}: "
                    "look for NaN or huge values in the records"
                )
                self._stack.unstack(member)
        if len(self.diverged) == len(self.networks):
            return
        # No member's values reach another one's, so that one with NaN may come along.
        self._optimiser.step()
        self._done += 1
        for member, value in enumerate(values):
            if member not in self.diverged:
                self._how.progress(member, self._done, value)

    def _prepare_step(self, batch: Samples) -> list[float]:
        """Every member's loss; its gradients are ready for the optimiser."""
        outcomes = self._stack(batch.x)
        members = len(outcomes)
        target = batch.target.expand(members, *batch.target.shape)
        losses = functional.cross_entropy(
            outcomes.flatten(0, 1), target.flatten(0, 1), reduction="none"
        )
        losses = losses.view(members, -1).mean(1)
        lesson = batch.lesson
        if lesson is not None:
            losses = losses + torch.stack([lesson.penalty(outcome) for outcome in outcomes])
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.sum(), inputs=self._stack.parameters)
        values: list[float] = losses.tolist()
        return values

    def save(self, checkpoint: Checkpoint) -> None:
        checkpoint.put_module("stack", self._stack.module)
        checkpoint.put_optimiser("optimiser", self._optimiser)
        checkpoint.put_generator("generator", self._generator)
        checkpoint.tensors["batches"] = self._batches.order.clone()
        checkpoint.values["place"] = self._batches.place
        checkpoint.values["done"] = self._done
        for member in self.diverged:
            checkpoint.put_module(f"network.{member}", self.networks[member])

    def restore(self, checkpoint: Checkpoint) -> None:
        checkpoint.load_module("stack", self._stack.module)
        checkpoint.load_optimiser("optimiser", self._optimiser)
        checkpoint.load_generator("generator", self._generator)
        self._batches.order = checkpoint.tensors["batches"].clone()
        self._batches.place = checkpoint.values["place"]
        self._done = checkpoint.values["done"]
        for member in self.diverged:
            checkpoint.load_module(f"network.{member}", self.networks[member])


class _InTurn:
    """One network after the other."""

    def __init__(self, networks: Sequence[nn.Module], how: _How) -> None:
        self.networks = networks
        self.diverged: dict[int, str] = {}
        self._how = how
        self._member = 0
        self._course: Course | None = None

    def run(self, should_pause: Pause) -> bool:
        """False at a pause."""
        while self._member < len(self.networks):
            course = self._course = self._course or self._begun(self._member)
            try:
                if course.run(should_pause) is None:
                    return False
            except TrainingDiverged as error:
                self.diverged[self._member] = str(error)
            self._course = None
            self._member += 1
        return True

    def _begun(self, member: int) -> Course:
        how = self._how
        return Course(
            self.networks[member],
            how.samples,
            steps=how.steps,
            seed=how.seed,
            rate=how.rate,
            weight_decay=how.weight_decay,
            progress=lambda step, loss: how.progress(member, step, loss),
        )

    def save(self, checkpoint: Checkpoint) -> None:
        checkpoint.values["member"] = self._member
        for member in range(self._member):
            checkpoint.put_module(f"network.{member}", self.networks[member])
        if self._course is not None:
            checkpoint.put_checkpoint("course", self._course.save())

    def restore(self, checkpoint: Checkpoint) -> None:
        self._member = checkpoint.values["member"]
        for member in range(self._member):
            checkpoint.load_module(f"network.{member}", self.networks[member].train())
        course = checkpoint.get_checkpoint("course")
        if course is not None:
            self._course = self._begun(self._member)
            self._course.restore(course)


def _unheard(_member: int, _step: int, _loss: float) -> None:
    """Nobody wants to know."""
