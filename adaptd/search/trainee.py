"""`Trainee`: a plain network on its way through a number of steps, which can be interrupted."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from adaptd.search.checkpoint import Checkpoint
from adaptd.search.task import Task
from adaptd.search.training import (
    BATCH_RECORDS,
    RATE,
    WEIGHT_DECAY,
    Samples,
    checked,
    descend,
    loss_on,
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
        self._samples = samples
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

    def is_level_with(self, other: "Trainee") -> bool:
        """Whether both have had the same batches, and will have the same, for the same task."""
        return (
            self.done == other.done
            and self._samples is other._samples
            and self._task is other._task
            and self._batches.place == other._batches.place
            and torch.equal(self._batches.order, other._batches.order)
            and torch.equal(self._generator.get_state(), other._generator.get_state())
        )

    def peek(self) -> Samples:
        """Records as a batch has them; no batch is taken."""
        return self._samples.at(torch.arange(min(BATCH_RECORDS, len(self._samples))))

    def take(self) -> Samples:
        """The next batch, for a step that is computed elsewhere."""
        return next(self._batches)

    def loss_of(self, outputs: Tensor, batch: Samples) -> Tensor:
        """Of the outputs that a step computed elsewhere. Raises TrainingDiverged."""
        loss = loss_on(batch, outputs, self._task.loss)
        checked(float(loss.detach()), step=self.done)
        return loss

    def network_of(self, moment: str) -> nn.Module:
        """A copy of the network with the optimiser's `exp_avg` or `exp_avg_sq` for weights."""
        network = copy.deepcopy(self.network)
        with torch.no_grad():
            for copied, own in zip(network.parameters(), self.network.parameters(), strict=True):
                found = self._optimiser.state.get(own, {}).get(moment)
                copied.copy_(torch.zeros_like(own) if found is None else found)
        return network

    def keep(self, moments: Mapping[str, Sequence[Tensor]]) -> None:
        """What the optimiser has to remember after steps that were computed elsewhere."""
        for place, parameter in enumerate(self.network.parameters()):
            self._optimiser.state[parameter] = {
                "step": torch.tensor(float(self.done)),
                **{moment: of_parameters[place] for moment, of_parameters in moments.items()},
            }

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
