"""`Task`: what a network is trained for."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """A loss to train by and a score to judge by.

    loss: (outputs, targets) of a batch -> scalar. score: the same -> float [n], of each record, at
    most 1, larger is better. chance: targets of many records -> the mean score of the best
    constant answer, the floor that a network must rise above.
    """

    name: str
    loss: Loss
    score: Loss
    chance: Callable[[Tensor], float]


def _hits(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of a record's answers that are right: one answer, or one a position."""
    hits = (outputs.argmax(1) == targets).float()
    return hits.flatten(1).mean(1) if hits.ndim > 1 else hits


def _commonest(targets: Tensor) -> float:
    return float(torch.bincount(targets.flatten()).max()) / targets.numel()


def _squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.mse_loss(outputs.view_as(targets), targets)


def _closeness(outputs: Tensor, targets: Tensor) -> Tensor:
    errors = (outputs.view_as(targets) - targets).flatten(1 if targets.ndim > 1 else 0).square()
    return 1 / (1 + (errors.mean(1) if targets.ndim > 1 else errors))


def _closeness_of_mean(targets: Tensor) -> float:
    mean = targets.mean(0, keepdim=True).expand_as(targets)
    return float(_closeness(mean, targets).mean())


# outputs float [n, classes], targets int64 [n]; or [n, classes, *axes] and [n, *axes].
CLASSIFICATION = Task("classification", functional.cross_entropy, _hits, _commonest)
# outputs and targets float [n] or [n, targets]; the score is 1 / (1 + squared error).
REGRESSION = Task("regression", _squared, _closeness, _closeness_of_mean)
