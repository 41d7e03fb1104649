"""`Policy`: one way to answer a shift."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from adaptd.architecture import Architecture
from adaptd.space import count_macs
from benchmarks.policies.champion import Deployment


@dataclass(frozen=True)
class Outcome:
    """What a policy ends with. steps: gradient computations on batches of 64."""

    network: nn.Module
    architecture: Architecture | None
    steps: int
    notes: dict[str, Any] = field(default_factory=dict)


Respond = Callable[[Deployment], Outcome]


@dataclass(frozen=True)
class Policy:
    """A row of the table. weights_only: the architecture stays what was deployed. prepares: it is
    trained before the shift as well, which its time leaves out."""

    name: str
    respond: Respond
    weights_only: bool = False


@dataclass(frozen=True)
class Answer:
    """A policy's outcome, measured. accuracy: percent. macs: over the deployed model's."""

    network: nn.Module
    architecture: Architecture | None
    accuracy: float
    macs: float
    steps: int
    cpu_seconds: float
    notes: dict[str, Any]


def answer(policy: Policy, deployment: Deployment) -> Answer:
    """Runs the policy and judges what it gives."""
    started = time.process_time()
    outcome = policy.respond(deployment)
    seconds = time.process_time() - started
    deployed = deployment.macs_cap / 1.1
    return Answer(
        network=outcome.network,
        architecture=outcome.architecture,
        accuracy=deployment.accuracy_of(outcome.network),
        macs=count_macs(outcome.network, deployment.shift.shape) / deployed,
        steps=outcome.steps,
        cpu_seconds=seconds - outcome.notes.pop("prepared_seconds", 0.0),
        notes=outcome.notes,
    )
