"""`Trainee`: a plain network on its way through a number of steps, which can be interrupted."""

import torch
from torch import nn

from adaptd.search.checkpoint import Checkpoint
from adaptd.search.task import Task
from adaptd.search.training import (
    RATE,
    WEIGHT_DECAY,
    Samples,
    descend,
    minibatches,
    optimiser_for,
)


class Trainee:
    """A network, its optimiser and its place in the samples."""

    def __init__(
        self,
        network: nn.Module,
        samples: Samples,
        *,
        task: Task,
        generator: torch.Generator,
        parameters: list[nn.Parameter] | None = None,
        weight_decay: float = WEIGHT_DECAY,
    ) -> None:
        self.network = network.train()
        self.done = 0
        self._task = task
        self._generator = generator
        self._batches = minibatches(samples, generator)
        own = list(network.parameters()) if parameters is None else parameters
        self._optimiser = optimiser_for(own, rate=RATE, weight_decay=weight_decay)

    def advance(self, rate: float) -> float:
        """One step of AdamW at this rate. Returns its loss. Raises TrainingDiverged."""
        value = descend(
            self.network,
            next(self._batches),
            self._optimiser,
            rate=rate,
            step=self.done,
            loss=self._task.loss,
        )
        self.done += 1
        return value

    def save(self, checkpoint: Checkpoint, name: str) -> None:
        """Everything that the next step depends on, below the name."""
        checkpoint.put_module(f"{name}.network", self.network)
        checkpoint.put_optimiser(f"{name}.optimiser", self._optimiser)
        checkpoint.put_generator(f"{name}.generator", self._generator)
        checkpoint.tensors[f"{name}.batches"] = self._batches.order.clone()
        checkpoint.values[name] = {"done": self.done, "place": self._batches.place}

    def restore(self, checkpoint: Checkpoint, name: str) -> None:
        """The way back, into a trainee that was made with the same arguments."""
        checkpoint.load_module(f"{name}.network", self.network)
        checkpoint.load_optimiser(f"{name}.optimiser", self._optimiser)
        checkpoint.load_generator(f"{name}.generator", self._generator)
        self._batches.order = checkpoint.tensors[f"{name}.batches"].clone()
        self.done = checkpoint.values[name]["done"]
        self._batches.place = checkpoint.values[name]["place"]
