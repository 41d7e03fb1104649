"""How a method begins: from which weights, with which mixture."""

from dataclasses import dataclass

import torch
from torch import nn

from adaptd.search.concentration import prior_logits
from adaptd.search.problem import Problem
from adaptd.search.task import CLASSIFICATION, Task
from adaptd.search.training import Samples, skill
from adaptd.space import (
    MERGED,
    Relaxation,
    Supernet,
    build,
    fit_standardisation,
    shrink_and_perturb,
)

# [n, channels, length].
_SEQUENCE_AXES = 3
# Shares of inherited weights that are kept at the least, see `shrink_factor`.
_LEAST_OF_SEQUENCES = 0.5
_LEAST = 0.75


@dataclass(frozen=True)
class Opening:
    """relaxation: how mixed edges are computed. is_warm: whether weights are inherited. shrinks:
    whether inherited weights are first shrunk and perturbed, the more the worse they do."""

    relaxation: Relaxation = MERGED
    is_warm: bool = True
    shrinks: bool = True

    def start(self, problem: Problem, generator: torch.Generator) -> nn.Module:
        """The network that the search goes out from, of the deployed architecture."""
        if not self.is_warm:
            seed = int(torch.randint(2**31, (), generator=generator))
            return fresh(problem, seed=seed)
        factor = 1.0
        if self.shrinks:
            factor = shrink_factor(problem.network, problem.samples, task=problem.task)
        return shrink_and_perturb(
            problem.network, problem.architecture, factor=factor, generator=generator
        )

    def open(self, problem: Problem, generator: torch.Generator) -> Supernet:
        """The supernet, its alphas at the concentrations of earlier searches."""
        supernet = Supernet.reopen(
            self.start(problem, generator),
            problem.reopening,
            edges=problem.edges,
            relaxation=problem.relaxation or self.relaxation,
            generator=generator,
        )
        for group in problem.reopening.group_names:
            counts = problem.concentrations.get(group, {}) if self.is_warm else {}
            supernet.set_logits(group, prior_logits(problem.reopening.operations(group), counts))
        return supernet


def fresh(problem: Problem, *, seed: int) -> nn.Module:
    """A new initialisation of the deployed architecture whose normaliser knows the samples."""
    network = build(problem.architecture, seed=seed).to(problem.samples.x.device)
    fit_standardisation(network, problem.samples.x)
    return network


def shrink_factor(network: nn.Module, samples: Samples, *, task: Task = CLASSIFICATION) -> float:
    """1 where the network is right, and where it is no better than the best constant answer 0.5 for
    sequences, 0.75 for all other records.

    A mild drift must not cost what still holds; after a strong one, inherited weights favour the
    old architecture. Features of images are worth more than those of short sequences: halving them
    cost 5 points where a camera went to night mode.
    """
    least = _LEAST_OF_SEQUENCES if samples.x.ndim == _SEQUENCE_AXES else _LEAST
    return least + (1 - least) * skill(network, samples, task=task)
