"""`Problem` and `Found`: what a search gets, and what it gives."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.search.candidates import reopening_within
from adaptd.search.caps import Cap
from adaptd.search.compute import device_of
from adaptd.search.task import CLASSIFICATION, Task
from adaptd.search.training import Samples
from adaptd.space import Edge, EdgeCosts, Relaxation, Reopening, architecture_edges


@dataclass(frozen=True)
class Problem:
    """One search: around which network, on which records, within which bounds.

    network: deployed, of `architecture`; left as it is. edges and costs: of that architecture.
    reopening: which edges may change, to what. steps: gradient computations on batches of 64, of
    all phases, on weights or architecture parameters. caps: what the outcome must not exceed.
    concentrations: counts of earlier searches.
    relaxation: how mixed edges are computed, None for what the method says; a budget of memory
    chooses it. arms: architectures that a race is run among, () for its own.
    """

    network: nn.Module
    architecture: Architecture
    samples: Samples
    reopening: Reopening
    edges: Mapping[str, Edge]
    costs: EdgeCosts
    steps: int
    seed: int
    caps: tuple[Cap, ...] = ()
    concentrations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    task: Task = CLASSIFICATION
    relaxation: Relaxation | None = None
    arms: tuple[Architecture, ...] = ()

    @classmethod
    def around(
        cls,
        network: nn.Module,
        architecture: Architecture,
        samples: Samples,
        *,
        steps: int,
        seed: int,
        caps: tuple[Cap, ...] = (),
        concentrations: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
    ) -> "Problem":
        """The search around a network with all its edges open, see `reopening_within`, but those
        that are frozen in it (requires_grad=False)."""
        shape = tuple(samples.x.shape[1:])
        reopening = reopening_within(architecture, shape, caps)
        movable = {
            edge: texts
            for edge, texts in reopening.candidates.items()
            if all(one.requires_grad for one in network.get_submodule(edge).parameters())
        }
        return cls(
            network=network,
            architecture=architecture,
            samples=samples,
            reopening=Reopening(movable, {edge: reopening.groups[edge] for edge in movable}),
            edges=architecture_edges(architecture),
            costs=EdgeCosts.of(architecture, shape),
            steps=steps,
            seed=seed,
            caps=caps,
            concentrations=dict(concentrations),
        )

    def to(self, device: torch.device) -> "Problem":
        """The same with a copy of the network, and the samples, on a device; its outcome is there
        too. Itself if they are."""
        samples = self.samples.to(device)
        if samples is self.samples and device_of(self.network) == device:
            return self
        return replace(self, network=copy.deepcopy(self.network).to(device), samples=samples)


@dataclass(frozen=True)
class Moment:
    """Where a search stands after a step.

    phase: such as "search" or "fold". step: gradient computations done, of `steps`. loss: of the
    latest. alphas: group -> operation -> weight, {} where there are none; arms: architecture's
    digest -> held-out loss, of a race.
    """

    phase: str
    step: int
    steps: int
    loss: float
    alphas: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    arms: Mapping[str, float] = field(default_factory=dict)


Watch = Callable[[Moment], None]


@dataclass(frozen=True)
class Found:
    """What a search gives.

    network: plain, of `architecture`, trained, in training mode. alphas: group -> operation ->
    weight at the end of the search, {} without any. concentrations: the counts for the next one.
    supernet_memory_ratio: saved bytes of its training step over those of the deployed network's,
    None without a supernet. phase_seconds: monotonic. stopped: why it ended early, None if it did
    not. guards: name -> what it did.
    """

    architecture: Architecture
    network: nn.Module
    steps: int
    alphas: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    concentrations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    supernet_memory_ratio: float | None = None
    phase_seconds: Mapping[str, float] = field(default_factory=dict)
    stopped: str | None = None
    guards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
