"""Training a plain network on labelled records for a given number of steps."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.errors import PermanentError
from adaptd.search.lesson import Lesson
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
    e.g. int64 [n]; lesson: what a teacher answers on them, see `distillation`; rehearsal: older
    records that stand in each batch beside these; weight: float [n], above 0, how often each is
    drawn into batches in proportion to others; None: all alike.

    Raises ValueError if there are none, not as many records as targets, or for such weights.
    """

    x: Tensor
    target: Tensor
    lesson: Lesson | None = None
    rehearsal: "Rehearsal | None" = None
    weight: Tensor | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.target) or len(self.x) == 0:
            raise ValueError(
                f"expected as many records as targets and at least one, "
                f"got {len(self.x)} and {len(self.target)}"
            )
        if self.weight is not None and (
            self.weight.shape != (len(self),)
            or not bool((torch.isfinite(self.weight) & (self.weight > 0)).all())
        ):
            raise ValueError("expected a weight for each record, all finite and above 0")

    def __len__(self) -> int:
        return len(self.target)

    def at(self, places: Tensor) -> "Samples":
        """The records at these places, int64 [m], alone: nothing is rehearsed beside them."""
        lesson = None if self.lesson is None else self.lesson.at(places)
        weight = None if self.weight is None else self.weight[places]
        return Samples(self.x[places], self.target[places], lesson, weight=weight)

    def drawn(self, places: Tensor) -> "Samples":
        """As `at`, of places that were drawn by the weights, which have had their effect."""
        return (self if self.weight is None else replace(self, weight=None)).at(places)

    def resampled(self, generator: torch.Generator) -> "Samples":
        """As many records without weights, each so often as its weight wants; themselves, and
        nothing drawn, where they have none. For who needs records at once, not in batches."""
        if self.weight is None:
            return self
        return self.drawn(weighted_places(self.weight, len(self), generator))

    def divided(self, order: Tensor, first: int) -> tuple["Samples", "Samples"]:
        """The first so many records in this order, int64 [n], and the others; what is rehearsed is
        divided in the same proportion, so that no record is in both."""
        parts = self.at(order[:first]), self.at(order[first:])
        if self.rehearsal is None:
            return parts
        rehearsals = self.rehearsal.divided(first / len(self))
        one, other = (
            replace(part, rehearsal=rehearsal)
            for part, rehearsal in zip(parts, rehearsals, strict=True)
        )
        return one, other

    def followed_by(self, other: "Samples") -> "Samples":
        """These records, then the other ones, as one batch."""
        lesson = None
        if self.lesson is not None and other.lesson is not None:
            lesson = self.lesson.followed_by(other.lesson)
        weight = None
        if self.weight is not None or other.weight is not None:
            weight = torch.cat(
                [
                    torch.ones(len(one), device=one.x.device) if one.weight is None else one.weight
                    for one in (self, other)
                ]
            )
        return Samples(
            torch.cat([self.x, other.x]),
            torch.cat([self.target, other.target]),
            lesson,
            weight=weight,
        )

    def to(self, device: torch.device) -> "Samples":
        """The same on a device; itself if it is there."""
        if self.x.device == device:
            return self
        return Samples(
            self.x.to(device),
            self.target.to(device),
            None if self.lesson is None else self.lesson.to(device),
            None if self.rehearsal is None else self.rehearsal.to(device),
            None if self.weight is None else self.weight.to(device),
        )


@dataclass(frozen=True)
class Rehearsal:
    """Records of earlier concepts that are trained on again. share: of each batch, in (0, 1).

    Sources: Rolnick et al. 2019, "Experience Replay for Continual Learning"; Chaudhry et al. 2019,
    "On Tiny Episodic Memories in Continual Learning".
    """

    samples: Samples
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"the share of a batch must be in (0, 1), got {self.share}")

    def count(self, size: int) -> int:
        """How many of the records of a batch are rehearsed: never all of them."""
        return min(round(self.share * size), size - 1, len(self.samples))

    def draw(self, count: int, generator: torch.Generator) -> Samples:
        """So many records, each at most once, or as often as its weight wants. Nothing but the
        generator remembers which."""
        return self.samples.drawn(_places(self.samples, count, generator))

    def divided(self, share: float) -> tuple["Rehearsal | None", "Rehearsal | None"]:
        """Two parts, the first of this share of the records, evenly spread; None for an empty
        one."""
        bounds = [math.floor(place * share) for place in range(len(self.samples) + 1)]
        is_first = torch.tensor([after > before for before, after in pairwise(bounds)])
        one, other = (
            replace(self, samples=self.samples.at(places)) if len(places) else None
            for places in (is_first.nonzero().flatten(), (~is_first).nonzero().flatten())
        )
        return one, other

    def to(self, device: torch.device) -> "Rehearsal":
        """The same on a device."""
        return replace(self, samples=self.samples.to(device))


class Minibatches:
    """Endless batches of `size` (of all, if fewer); each pass in a new order, less what is over.

    Where records have weights, each is in a pass as often as its weight wants (`weighted_places`),
    so that the mean of any loss is the weighted one. Rehearsed records, where there are some, are
    part of the size."""

    def __init__(
        self, samples: Samples, generator: torch.Generator, *, size: int = BATCH_RECORDS
    ) -> None:
        self._samples = samples
        self._generator = generator
        size = min(size, len(samples))
        self._rehearsed = 0 if samples.rehearsal is None else samples.rehearsal.count(size)
        self._size = size - self._rehearsed
        self.order = torch.empty(0, dtype=torch.int64)
        self.place = 0

    def __iter__(self) -> "Minibatches":
        return self

    def __next__(self) -> Samples:
        if self.place + self._size > len(self.order):
            self.order = _places(self._samples, len(self._samples), self._generator)
            self.place = 0
        first = self.place
        self.place += self._size
        batch = self._samples.drawn(self.order[first : self.place])
        if self._samples.rehearsal is None or not self._rehearsed:
            return batch
        return batch.followed_by(self._samples.rehearsal.draw(self._rehearsed, self._generator))


def weighted_places(weight: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` places, int64, in random order: each count · its weight / the sum of all times in the
    mean, and never a whole one more or less. So n of n that weigh the same are each drawn once.

    weight: float [n], above 0. Source: Kitagawa 1996, "Monte Carlo filter and smoother for
    non-Gaussian nonlinear state space models" (stratified and systematic resampling).
    """
    ends = weight.cpu().double().cumsum(0)
    ends = ends / ends[-1] * count
    # One point in each unit, all at the same offset. Never at its end, where rounding would decide.
    offset = (int(torch.randint(2**24, (), generator=generator)) + 0.5) / 2**24
    counts = (ends - offset).ceil().diff(prepend=torch.zeros(1, dtype=torch.float64)).long()
    places = torch.arange(len(weight)).repeat_interleave(counts)
    return places[torch.randperm(count, generator=generator)]


def _places(samples: Samples, count: int, generator: torch.Generator) -> Tensor:
    if samples.weight is None:
        return torch.randperm(len(samples), generator=generator)[:count]
    return weighted_places(samples.weight, count, generator)


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
    """AdamW, fused: at this size the calls cost more than the arithmetic.

    What is frozen (requires_grad=False) stays as it is. Raises ValueError where all of it is.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        raise ValueError("nothing can be trained: all parameters are frozen (requires_grad=False)")
    return torch.optim.AdamW(trained, lr=rate, weight_decay=weight_decay, fused=True)


def loss_on(batch: Samples, outputs: Tensor, loss: Loss) -> Tensor:
    """What training minimises on a batch, a scalar: the task's loss of a network's outputs, and a
    penalty for answering unlike the teacher where there is one."""
    outcome = loss(outputs, batch.target)
    return outcome if batch.lesson is None else outcome + batch.lesson.penalty(outputs)


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
    outcome = loss_on(batch, network(batch.x), loss)
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
