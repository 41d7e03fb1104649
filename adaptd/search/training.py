"""Training a plain network on labelled records for a given number of steps."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.errors import PermanentError
from adaptd.search.task import CLASSIFICATION, Loss, Task

# Records a step. Every budget counts steps of so many: another size would change what each means.
BATCH_RECORDS = 64
# AdamW's rate a step, at its highest. High, since a remedy has a few hundred steps, no more.
RATE = 4e-3
# AdamW's: share of a weight that a step at rate 1 would take away. A tenth of torch's default, so
# that inherited weights are not pulled towards zero.
WEIGHT_DECAY = 1e-3

# Steps over which the rate rises from nothing: AdamW's second moments are noise before.
_WARM_UP_STEPS = 20
# Share of the rate that is left at the end.
_FINAL_SHARE = 0.02

Progress = Callable[[int, float], None]


class TrainingDiverged(PermanentError):
    """The loss became NaN or infinite; the text names the step."""


@dataclass(frozen=True)
class Samples:
    """Labelled records, at least one. x: float32 [n, *shape]; target: what the task's loss takes,
    e.g. int64 [n].

    Raises ValueError if there are none, or not as many records as targets.
    """

    x: Tensor
    target: Tensor

    def __post_init__(self) -> None:
        if len(self.x) != len(self.target) or len(self.x) == 0:
            raise ValueError(
                f"expected as many records as targets and at least one, "
                f"got {len(self.x)} and {len(self.target)}"
            )

    def __len__(self) -> int:
        return len(self.target)

    def at(self, places: Tensor) -> "Samples":
        """The records at these places, int64 [m]."""
        return Samples(self.x[places], self.target[places])

    def to(self, device: torch.device) -> "Samples":
        """The same on a device; itself if it is there."""
        if self.x.device == device:
            return self
        return Samples(self.x.to(device), self.target.to(device))


class Minibatches:
    """Endless batches of `size` (of all, if fewer); each pass in a new order, less what is over."""

    def __init__(
        self, samples: Samples, generator: torch.Generator, *, size: int = BATCH_RECORDS
    ) -> None:
        self._samples = samples
        self._generator = generator
        self._size = min(size, len(samples))
        self.order = torch.empty(0, dtype=torch.int64)
        self.place = 0

    def __iter__(self) -> "Minibatches":
        return self

    def __next__(self) -> Samples:
        if self.place + self._size > len(self.order):
            self.order = torch.randperm(len(self._samples), generator=self._generator)
            self.place = 0
        first = self.place
        self.place += self._size
        return self._samples.at(self.order[first : self.place])


def minibatches(samples: Samples, generator: torch.Generator) -> Minibatches:
    """Endless batches of the samples, in the order that the generator draws."""
    return Minibatches(samples, generator)


def rate_at(step: int, steps: int, rate: float) -> float:
    """The learning rate of a step: a cosine from rate to a fiftieth, after 20 steps of warm-up."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return (
        rate * (_FINAL_SHARE + (1 - _FINAL_SHARE) * cosine) * min(1.0, (step + 1) / _WARM_UP_STEPS)
    )


def optimiser_for(
    parameters: list[nn.Parameter], *, rate: float = RATE, weight_decay: float = WEIGHT_DECAY
) -> torch.optim.AdamW:
    """AdamW, fused: at this size the calls cost more than the arithmetic."""
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=weight_decay, fused=True)


def descend(
    network: nn.Module,
    batch: Samples,
    optimiser: torch.optim.Optimizer,
    *,
    rate: float,
    step: int,
    loss: Loss = functional.cross_entropy,
) -> float:
    """One step on the optimiser's parameters and no other. Returns the loss, of cross entropy nats.

    Raises TrainingDiverged if the loss is not finite.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for group in optimiser.param_groups:
        group["lr"] = rate
    outcome = loss(network(batch.x), batch.target)
    value = checked(float(outcome.detach()), step=step)
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(outcome, inputs=parameters)
    optimiser.step()
    return value


def checked(loss: float, *, step: int) -> float:
    """The loss of a step. Raises TrainingDiverged if it is not finite."""
    if not math.isfinite(loss):
        raise TrainingDiverged(
            f"the loss is {loss} at step {step}: look for NaN or huge values in the records"
        )
    return loss


def train(
    network: nn.Module,
    samples: Samples,
    *,
    steps: int,
    seed: int,
    rate: float = RATE,
    weight_decay: float = WEIGHT_DECAY,
    loss: Loss = functional.cross_entropy,
    parameters: list[nn.Parameter] | None = None,
    progress: Progress | None = None,
) -> None:
    """Trains in place, `steps` batches of 64, AdamW under a cosine rate.

    parameters: of the network, which are trained; None for all of them.
    progress: called after each step with the number of steps done and its loss.
    The same network, samples, steps and seed give the same weights. Raises TrainingDiverged.
    """
    batches = minibatches(samples, torch.Generator().manual_seed(seed))
    trained = list(network.parameters()) if parameters is None else parameters
    optimiser = optimiser_for(trained, rate=rate, weight_decay=weight_decay)
    network.train()
    for step in range(steps):
        value = descend(
            network, next(batches), optimiser, rate=rate_at(step, steps, rate), step=step, loss=loss
        )
        if progress is not None:
            progress(step + 1, value)


def accuracy(network: nn.Module, samples: Samples, *, task: Task = CLASSIFICATION) -> float:
    """Mean score over the samples, in evaluation mode: for a classifier the share of hits.

    The network keeps the mode it was in.
    """
    was_training = network.training
    network.eval()
    total = 0.0
    with torch.no_grad():
        for x, target in zip(
            torch.split(samples.x, 512), torch.split(samples.target, 512), strict=True
        ):
            total += float(task.score(network(x), target).sum())
    network.train(was_training)
    return total / len(samples)


def skill(network: nn.Module, samples: Samples, *, task: Task = CLASSIFICATION) -> float:
    """0 where the network is no better than the best constant answer, 1 where it is right."""
    chance = task.chance(samples.target)
    if chance >= 1:
        return 1.0
    return max(0.0, (accuracy(network, samples, task=task) - chance) / (1 - chance))
