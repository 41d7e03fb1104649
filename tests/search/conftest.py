"""A problem small enough to be searched in a second."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from adaptd.search.candidates import reopening_of
from adaptd.search.caps import Cap
from adaptd.search.problem import Problem
from adaptd.search.training import Samples
from adaptd.space import (
    EdgeCosts,
    architecture_edges,
    build,
    fit_standardisation,
    initial_architecture,
)

SHAPE = (1, 16)

MakeProblem = Callable[..., Problem]


@pytest.fixture(scope="session")
def make_problem() -> MakeProblem:
    """A deployed network of six edges in two cells, and random labels; any field may be changed."""
    torch.set_num_threads(1)
    settings = {"in_channels": 1, "classes": 3, "width": 4}
    architecture = initial_architecture("adaptd.space.sequence:convnet", settings, "dw k5 d1")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(80, *SHAPE, generator=generator)
    samples = Samples(x, torch.randint(3, (80,), generator=generator))
    network = build(architecture, seed=1)
    fit_standardisation(network, x)
    costs = EdgeCosts.of(architecture, SHAPE)
    problem = Problem(
        network=network,
        architecture=architecture,
        samples=samples,
        reopening=reopening_of(architecture, SHAPE),
        edges=architecture_edges(architecture),
        costs=costs,
        steps=24,
        seed=3,
        caps=(Cap(costs, int(1.1 * costs.total(architecture))),),
    )

    def make(**changes: Any) -> Problem:
        return replace(problem, **changes)

    return make


def spoilt(samples: Samples) -> Samples:
    """With as many more that weigh next to nothing, and would make everything NaN if one of them
    was in a batch."""
    others = replace(
        samples,
        x=torch.full_like(samples.x, torch.nan),
        weight=torch.full((len(samples),), 1e-20),
    )
    return others.followed_by(samples)
