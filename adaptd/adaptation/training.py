"""What the jobs of a worker train with."""

from collections.abc import Callable

import torch

from adaptd.adaptation.bench import Bench
from adaptd.adaptation.job import Job
from adaptd.architecture import Architecture
from adaptd.search.stacked import StackedTraining
from adaptd.search.training import Samples
from adaptd.space.network import build
from adaptd.space.standardise import fit_standardisation

# A network, and what it is of.
Trained = tuple[Architecture, torch.nn.Module]
# Name -> what is trained under it.
Members = dict[str, Trained]


def fresh(job: Job, architecture: Architecture, samples: Samples) -> torch.nn.Module:
    """A new initialisation whose normaliser knows the samples."""
    network = build(architecture, seed=job.seed).to(samples.x.device)
    fit_standardisation(network, samples.x)
    return network


def train_together(
    bench: Bench, job: Job, samples: Samples, phase: str, make: Callable[[], Members]
) -> None:
    """Trains the networks for the job's steps, all at once where they can be."""
    if not bench.lacks(phase):
        return
    members: Members = {}

    def begin() -> StackedTraining:
        members.update(make())
        return StackedTraining(
            [network for _, network in members.values()],
            samples,
            steps=job.steps,
            seed=job.seed,
            progress=lambda _member, step, loss: bench.show(phase, step, job.steps, loss),
        )

    bench.carry_out(phase, begin)
    seconds = bench.phase_seconds[phase] / len(members)
    for name, (architecture, network) in members.items():
        bench.add(name, architecture, network, steps=job.steps, seconds=seconds)
    bench.complete(phase)
