"""Training several networks of one structure at once."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from adaptd.search.training import (
    RATE,
    WEIGHT_DECAY,
    Samples,
    TrainingDiverged,
    minibatches,
    optimiser_for,
    rate_at,
    train,
)
from adaptd.space.stack import Stack, Unstackable

# Number of the member, number of its steps done, loss of the last one (cross entropy, nats).
MemberProgress = Callable[[int, int, float], None]


class MembersDiverged(TrainingDiverged):
    """The loss of some members became NaN or infinite; the text names members and steps.

    members: number of the member -> what happened. These are as they were when it happened; all
    others are trained to the end.
    """

    def __init__(self, members: Mapping[int, str]) -> None:
        super().__init__("; ".join(f"network {number}: {text}" for number, text in members.items()))
        self.members = dict(members)


def train_stacked(
    networks: Sequence[nn.Module],
    samples: Samples,
    *,
    steps: int,
    seed: int,
    rate: float = RATE,
    weight_decay: float = WEIGHT_DECAY,
    progress: MemberProgress | None = None,
) -> str | None:
    """Trains each network as `train` does, on the same batches; weights differ by rounding alone.

    Networks that make a `Stack` are computed as one, in a fraction of the time; others are trained
    one after the other. Returns None, or why they were not stacked.
    progress: called for each member after each of its steps.
    Raises MembersDiverged, after the others are trained.
    """
    how: dict[str, Any] = {
        "steps": steps,
        "seed": seed,
        "rate": rate,
        "weight_decay": weight_decay,
        "progress": progress or _unheard,
    }
    reason = None
    try:
        diverged = _train_as_one(networks, samples, **how)
    except Unstackable as error:
        diverged = _train_in_turn(networks, samples, **how)
        reason = str(error)
    if diverged:
        raise MembersDiverged(diverged)
    return reason


def _train_as_one(
    networks: Sequence[nn.Module],
    samples: Samples,
    *,
    steps: int,
    seed: int,
    rate: float,
    weight_decay: float,
    progress: MemberProgress,
) -> dict[int, str]:
    """Returns what happened to the members that diverged."""
    if len(networks) == 1:
        raise Unstackable("a single network is trained alone")
    for network in networks:
        network.train()
    stack = Stack(networks)
    optimiser = optimiser_for(stack.parameters, rate=rate, weight_decay=weight_decay)
    batches = minibatches(samples, torch.Generator().manual_seed(seed))
    diverged: dict[int, str] = {}
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, steps, rate)
        batch = next(batches)
        if step == 0:
            stack.check(batch.x)
        values = _prepare_step(stack, batch, optimiser)
        for member, value in enumerate(values):
            if member not in diverged and not math.isfinite(value):
                diverged[member] = (
                    f"the loss is {value} at step {step}: "
                    "look for NaN or huge values in the records"
                )
                stack.unstack(member)
        if len(diverged) == len(networks):
            break
        # No member's values reach another one's, so that one with NaN may come along.
        optimiser.step()
        for member, value in enumerate(values):
            if member not in diverged:
                progress(member, step + 1, value)
    for member in range(len(networks)):
        if member not in diverged:
            stack.unstack(member)
    return diverged


def _prepare_step(stack: Stack, batch: Samples, optimiser: torch.optim.Optimizer) -> list[float]:
    """Every member's loss; its gradients are ready for the optimiser."""
    outcomes = stack(batch.x)
    members = len(outcomes)
    target = batch.target.expand(members, *batch.target.shape)
    losses = functional.cross_entropy(
        outcomes.flatten(0, 1), target.flatten(0, 1), reduction="none"
    )
    losses = losses.view(members, -1).mean(1)
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(losses.sum(), inputs=stack.parameters)
    values: list[float] = losses.tolist()
    return values


def _train_in_turn(
    networks: Sequence[nn.Module], samples: Samples, *, progress: MemberProgress, **how: Any
) -> dict[int, str]:
    """Returns what happened to the members that diverged."""
    diverged: dict[int, str] = {}
    for member, network in enumerate(networks):

        def tell(step: int, loss: float, member: int = member) -> None:
            progress(member, step, loss)

        try:
            train(network, samples, progress=tell, **how)
        except TrainingDiverged as error:
            diverged[member] = str(error)
    return diverged


def _unheard(_member: int, _step: int, _loss: float) -> None:
    """Nobody wants to know."""
