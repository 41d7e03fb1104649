"""`Course`: a network's training for a number of steps, which can be interrupted and saved."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import nn

from adaptd.search.checkpoint import Checkpoint
from adaptd.search.task import CLASSIFICATION, Task
from adaptd.search.trainee import Trainee
from adaptd.search.training import RATE, WEIGHT_DECAY, Progress, Samples, rate_at

Pause = Callable[[], bool]

Outcome_co = TypeVar("Outcome_co", covariant=True)


class Resumable(Protocol[Outcome_co]):
    """What goes on step by step, and can be saved between two of them.

    One that is made with the same arguments and restored goes on exactly as the saved one would
    have; what it gives is the same to the bit, as far as nothing else draws from torch's global
    generator.
    """

    def run(self, should_pause: Pause = ..., /) -> Outcome_co | None:
        """Goes on to the end; None where should_pause, asked before each step, is true."""
        ...

    def save(self) -> Checkpoint:
        """Where it stands."""
        ...

    def restore(self, checkpoint: Checkpoint, /) -> None:
        """The way back. Raises CheckpointError, KeyError, TypeError or ValueError for a checkpoint
        of something else; this object is of no use then."""
        ...


class Course:
    """What `train` does, with pauses: the network is trained in place."""

    def __init__(
        self,
        network: nn.Module,
        samples: Samples,
        *,
        steps: int,
        seed: int,
        rate: float = RATE,
        weight_decay: float = WEIGHT_DECAY,
        task: Task = CLASSIFICATION,
        parameters: list[nn.Parameter] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """As `train`."""
        self._steps = steps
        self._rate = rate
        self._progress = progress
        self._trainee = Trainee(
            network,
            samples,
            task=task,
            generator=torch.Generator().manual_seed(seed),
            parameters=parameters,
            weight_decay=weight_decay,
        )

    def run(self, should_pause: Pause = lambda: False) -> nn.Module | None:
        """The network once it is trained, None at a pause. Raises TrainingDiverged."""
        trainee = self._trainee
        while trainee.done < self._steps:
            if should_pause():
                return None
            loss = trainee.advance(rate_at(trainee.done, self._steps, self._rate))
            if self._progress is not None:
                self._progress(trainee.done, loss)
        return trainee.network

    def save(self) -> Checkpoint:
        """Where it stands."""
        checkpoint = Checkpoint()
        self._trainee.save(checkpoint, "trainee")
        return checkpoint

    def restore(self, checkpoint: Checkpoint) -> None:
        """The way back, see `Resumable`."""
        self._trainee.restore(checkpoint, "trainee")
