"""`Task`: what a network is trained for."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]
# A student's outputs, a teacher's, the temperature -> float [n], of each record.
Distance = Callable[[Tensor, Tensor, float], Tensor]


def softened_divergence(outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """temperature^2 KL(teacher || student) of the softened classes, float [n], in nats.

    outputs, teacher: logits [n, classes] or [n, classes, *axes], over which the mean is taken. The
    square keeps the size of the gradient whatever the temperature (Hinton et al. 2015).
    """
    own = functional.log_softmax(outputs / temperature, 1)
    wanted = functional.log_softmax(teacher / temperature, 1)
    divergence = functional.kl_div(own, wanted, reduction="none", log_target=True).sum(1)
    return temperature**2 * (divergence.flatten(1).mean(1) if divergence.ndim > 1 else divergence)


@dataclass(frozen=True)
class Task:
    """A loss to train by and a score to judge by.

    loss: (outputs, targets) of a batch -> scalar. score: the same -> float [n], of each record, at
    most 1, larger is better. chance: targets of many records -> the mean score of the best
    constant answer, the floor that a network must rise above. distance: of a student's outputs
    from a teacher's.
    """

    name: str
    loss: Loss
    score: Loss
    chance: Callable[[Tensor], float]
    distance: Distance = softened_divergence


def _hits(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of a record's answers that are right: one answer, or one a position."""
    hits = (outputs.argmax(1) == targets).float()
    return hits.flatten(1).mean(1) if hits.ndim > 1 else hits


def _commonest(targets: Tensor) -> float:
    return float(torch.bincount(targets.flatten()).max()) / targets.numel()


def _squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.mse_loss(outputs.view_as(targets), targets)


def _squared_distance(outputs: Tensor, teacher: Tensor, _temperature: float) -> Tensor:
    squares = (outputs.view_as(teacher) - teacher).square()
    return squares.flatten(1).mean(1) if squares.ndim > 1 else squares


def _closeness(outputs: Tensor, targets: Tensor) -> Tensor:
    errors = (outputs.view_as(targets) - targets).flatten(1 if targets.ndim > 1 else 0).square()
    return 1 / (1 + (errors.mean(1) if targets.ndim > 1 else errors))


def _closeness_of_mean(targets: Tensor) -> float:
    mean = targets.mean(0, keepdim=True).expand_as(targets)
    return float(_closeness(mean, targets).mean())


# outputs float [n, classes], targets int64 [n]; or [n, classes, *axes] and [n, *axes].
CLASSIFICATION = Task("classification", functional.cross_entropy, _hits, _commonest)
# outputs and targets float [n] or [n, targets]; the score is 1 / (1 + squared error).
REGRESSION = Task("regression", _squared, _closeness, _closeness_of_mean, _squared_distance)
