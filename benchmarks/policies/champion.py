"""`Champion`: a model as it was deployed before the shift."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import nn

from adaptd.architecture import Architecture, Setting
from adaptd.search.caps import Cap
from adaptd.search.problem import Problem
from adaptd.search.training import Samples, accuracy, train
from adaptd.space import (
    EdgeCosts,
    build,
    fit_standardisation,
    initial_architecture,
)
from adaptd.space.openable import made_architecture
from benchmarks.streams import Records, Shift, Stream
from benchmarks.streams import Samples as Recorded

# Steps that a model is trained for before the shift, at most.
CHAMPION_STEPS = 1_000
# Over the deployed model's multiply-accumulates: what an answer may cost.
CAP = 1.1
_WIDTH = 16

_NETWORKS = {
    "sequence": "adaptd.space.sequence:convnet",
    "image": "adaptd.space.image:convnet",
    "tabular": "adaptd.space.tabular:network",
}
# What a model over images or tables has on every edge before the shift.
_OPERATIONS = {"image": "dw k3 d1", "tabular": "linear"}


@dataclass(frozen=True)
class Champion:
    """network: trained, in training mode; of `architecture`."""

    network: nn.Module
    architecture: Architecture


@dataclass(frozen=True)
class Deployment:
    """One repetition of a shift: the deployed model, and what a policy may and may not see.

    before: what the deployed model was trained on; a fixed rival may be trained on it too.
    after: what an answer is trained on; after_test: what it is judged by. macs_cap: absolute, of
    the first deployed model, also after several shifts. concentrations: what searches for earlier
    shifts have left.
    """

    shift: Stream
    champion: Champion
    before: Samples
    after: Samples
    after_test: Samples
    macs_cap: int
    seed: int
    steps: int
    concentrations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, shift: Shift, records: Records, *, seed: int, steps: int, network: str | None = None
    ) -> "Deployment":
        """Trains the champion on the records before the shift. network: somebody's factory, whose
        network is deployed as it makes it; None for adaptd's own."""
        before = samples_of(records.before)
        architecture = (
            deployed_architecture(shift)
            if network is None
            else made_architecture(network, settings_of(shift), shift.shape, seed=seed)
        )
        champion = trained(architecture, before, seed=seed, steps=champion_steps(steps))
        costs = EdgeCosts.of(architecture, shift.shape)
        return cls(
            shift=shift,
            champion=champion,
            before=before,
            after=samples_of(records.after),
            after_test=samples_of(records.after_test),
            macs_cap=int(CAP * costs.total(architecture)),
            seed=seed,
            steps=steps,
        )

    @cached_property
    def costs(self) -> EdgeCosts:
        """Of the champion's network."""
        return EdgeCosts.of(self.champion.architecture, self.shift.shape)

    def problem(self, steps: int | None = None) -> Problem:
        """What a search gets."""
        return Problem.around(
            self.champion.network,
            self.champion.architecture,
            self.after,
            steps=self.steps if steps is None else steps,
            seed=self.seed,
            caps=(Cap(self.costs, self.macs_cap),),
            concentrations=self.concentrations,
        )

    def copy(self) -> nn.Module:
        """The champion's network, to be trained on."""
        return copy.deepcopy(self.champion.network)

    def generator(self) -> torch.Generator:
        """Seeded for this repetition."""
        return torch.Generator().manual_seed(self.seed)

    def accuracy_of(self, network: nn.Module) -> float:
        """In percent, on the records that judge."""
        return 100 * accuracy(network, self.after_test)


def samples_of(recorded: Recorded) -> Samples:
    """As torch takes them."""
    return Samples(torch.from_numpy(recorded.x), torch.from_numpy(recorded.target))


def settings_of(shift: Stream) -> dict[str, Setting]:
    """Of the deployed network's factory."""
    inputs = "features" if shift.kind == "tabular" else "in_channels"
    settings: dict[str, Setting] = {
        inputs: shift.shape[0],
        "classes": shift.classes,
        "width": _WIDTH,
    }
    if shift.kind == "image":
        # A quarter of the pixels: a step on 28 x 28 ones takes 70 ms of one core.
        settings["stem_stride"] = 2
    return settings


def deployed_architecture(shift: Stream, operation: str | None = None) -> Architecture:
    """The shift's network with one operation on every edge, the deployed one if None."""
    return initial_architecture(
        _NETWORKS[shift.kind],
        settings_of(shift),
        operation or shift.champion or _OPERATIONS[shift.kind],
    )


def champion_steps(steps: int) -> int:
    """What a model is trained for before a shift that is answered in so many steps: a thousand,
    or less where only a smoke test is run."""
    return min(CHAMPION_STEPS, 5 * steps)


def trained(architecture: Architecture, before: Samples, *, seed: int, steps: int) -> Champion:
    """A fresh model, trained on the records before the shift."""
    network = build(architecture, seed=seed)
    fit_standardisation(network, before.x)
    train(network, before, steps=steps, seed=seed)
    return Champion(network, architecture)
