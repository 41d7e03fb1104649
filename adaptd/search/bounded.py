"""The bounded search: reopen, move alphas by gradient, fold back to one operation an edge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.clock import Clock, SystemClock
from adaptd.search.candidates import reopening_of
from adaptd.search.choice import choose, grow
from adaptd.search.concentration import prior_logits, updated
from adaptd.search.training import (
    BATCH_RECORDS,
    RATE,
    Samples,
    accuracy,
    descend,
    minibatches,
    optimiser_for,
    rate_at,
)
from adaptd.space import EdgeCosts, Supernet, saved_activation_bytes, shrink_and_perturb

# Share of all steps that ranks operations. The plain network, whose weights are what is released,
# gets most of the others.
_SEARCH_SHARE = 0.25
# Share of all steps over which what the fold leaves out fades, so that the function does not jump.
_FOLD_SHARE = 0.1
# Share of the search in which only weights move, so that new taps are not judged before they have
# learnt anything.
_WEIGHTS_FIRST_SHARE = 0.15
# Adam's, about the logits that a step moves. A hundred times DARTS's: alphas have some sixty steps
# here, not tens of thousands, and must be able to move by a logit or two.
_ALPHA_RATE = 3e-2
# DARTS's. The first is low so that alphas follow weights that still move.
_ALPHA_BETAS = (0.5, 0.999)

SearchProgress = Callable[[str, int, float], None]


@dataclass(frozen=True)
class Reopened:
    """What a reopening gives.

    network: plain, of `architecture`, trained. alphas: group -> operation -> weight at the end of
    the search.
    concentrations: the counts for the next search. steps: gradient computations on batches of 64,
    all phases, on weights or alphas. supernet_memory_ratio: saved bytes of its training step over
    those of the deployed network's.
    phase_seconds: "search" and "fold", monotonic.
    """

    architecture: Architecture
    network: nn.Module
    alphas: Mapping[str, Mapping[str, float]]
    concentrations: Mapping[str, Mapping[str, float]]
    steps: int
    supernet_memory_ratio: float
    phase_seconds: Mapping[str, float]


@dataclass(frozen=True)
class Schedule:
    """How the steps are spent; the three sum to what was given."""

    search: int
    fold: int
    plain: int

    @classmethod
    def of(cls, steps: int) -> "Schedule":
        """Raises ValueError for fewer than 20 steps: a phase would be empty."""
        if steps < 20:
            raise ValueError(f"a reopening needs at least 20 steps, got {steps}")
        search, fold = round(_SEARCH_SHARE * steps), round(_FOLD_SHARE * steps)
        return cls(search, fold, steps - search - fold)


def reopen(
    network: nn.Module,
    architecture: Architecture,
    samples: Samples,
    *,
    steps: int,
    seed: int,
    macs_cap: int,
    concentrations: Mapping[str, Mapping[str, float]],
    progress: SearchProgress | None = None,
    clock: Clock | None = None,
) -> Reopened:
    """Searches around the deployed network for an architecture that fits, and trains it.

    1. Shrink and perturb, the more the worse the deployed network does. 2. A merged supernet,
    alphas tied by cell, a quarter of the steps first-order bilevel: weights on one half of the
    samples, alphas on the other. 3. The most likely architecture under the cap, exactly; taps grown
    while the cap allows. 4. All samples, a fresh optimiser; what the fold leaves out fades over a
    tenth of the steps, then the plain network trains on.

    network: deployed; left as it is. steps: counts alpha steps too. macs_cap: multiply-accumulates
    of one record, absolute. concentrations: counts of earlier searches, {} for none.
    progress: called after each step with the phase ("search" or "fold"), the number of steps done
    of all, the loss. The same arguments give the same architecture and weights.
    Raises ValueError for too few steps or samples or a cap below every candidate, TrainingDiverged.
    Sources: Liu et al. 2019, "DARTS" (first order); Ash & Adams 2020 (shrink and perturb).
    """
    if len(samples) < 4:
        raise ValueError(f"a reopening splits its samples in two, got {len(samples)}")
    clock = clock or SystemClock()
    started = clock.monotonic()
    schedule = Schedule.of(steps)
    generator = torch.Generator().manual_seed(seed)
    reopening = reopening_of(architecture)
    costs = EdgeCosts.of(architecture, tuple(samples.x.shape[1:]))
    start = shrink_and_perturb(
        network, architecture, factor=shrink_factor(network, samples), generator=generator
    )
    supernet = Supernet.reopen(start, architecture, reopening, generator=generator)
    for group in reopening.group_names:
        supernet.set_logits(
            group, prior_logits(reopening.operations(group), concentrations.get(group, {}))
        )
    batch = Samples(samples.x[:BATCH_RECORDS], samples.target[:BATCH_RECORDS])
    memory_ratio = saved_activation_bytes(supernet, batch.x, batch.target) / saved_activation_bytes(
        network, batch.x, batch.target
    )

    def report(phase: str, done: int, loss: float) -> None:
        if progress is not None:
            progress(phase, done, loss)

    _search(supernet, samples, steps=schedule.search, generator=generator, report=report)
    alphas = supernet.alphas()
    chosen = choose(architecture, reopening, alphas, costs, macs_cap=macs_cap)
    chosen = grow(chosen, architecture, reopening, costs, macs_cap=macs_cap)
    searched = clock.monotonic()

    plain = _fold(supernet, chosen, samples, schedule=schedule, generator=generator, report=report)
    return Reopened(
        architecture=chosen,
        network=plain,
        alphas=alphas,
        concentrations=updated(concentrations, alphas),
        steps=schedule.search + schedule.fold + schedule.plain,
        supernet_memory_ratio=memory_ratio,
        phase_seconds={"search": searched - started, "fold": clock.monotonic() - searched},
    )


def shrink_factor(network: nn.Module, samples: Samples) -> float:
    """0.5 where the network is no better than naming the commonest class, 1 where it is right.

    A mild drift must not cost what still holds; after a strong one, inherited weights favour the
    old architecture.
    """
    chance = float(torch.bincount(samples.target).max()) / len(samples)
    if chance == 1:
        return 1.0
    return 0.5 + 0.5 * max(0.0, (accuracy(network, samples) - chance) / (1 - chance))


def _search(
    supernet: Supernet,
    samples: Samples,
    *,
    steps: int,
    generator: torch.Generator,
    report: SearchProgress,
) -> None:
    """Bilevel: after a share of weights alone, every second step has one of the alphas after it."""
    order = torch.randperm(len(samples), generator=generator)
    half = len(samples) // 2
    for_alphas = minibatches(samples.at(order[:half]), generator)
    for_weights = minibatches(samples.at(order[half:]), generator)
    alphas = supernet.architecture_parameters()
    weight_optimiser = optimiser_for(supernet.weight_parameters())
    alpha_optimiser = torch.optim.Adam(alphas, lr=_ALPHA_RATE, betas=_ALPHA_BETAS)
    supernet.train()
    done = weight_steps = 0
    while done < steps:
        rate = rate_at(done, steps, RATE)
        loss = descend(supernet, next(for_weights), weight_optimiser, rate=rate, step=done)
        done, weight_steps = done + 1, weight_steps + 1
        report("search", done, loss)
        if done < steps and done > _WEIGHTS_FIRST_SHARE * steps and weight_steps % 2 == 0:
            loss = descend(supernet, next(for_alphas), alpha_optimiser, rate=_ALPHA_RATE, step=done)
            done += 1
            report("search", done, loss)


def _fold(
    supernet: Supernet,
    chosen: Architecture,
    samples: Samples,
    *,
    schedule: Schedule,
    generator: torch.Generator,
    report: SearchProgress,
) -> nn.Module:
    """Trains on while the residual fades, then as the plain network; one cosine, one optimiser."""
    supernet.fold({edge: chosen.operations[edge] for edge in supernet.reopening.groups})
    batches = minibatches(samples, generator)
    optimiser = optimiser_for(supernet.weight_parameters())
    steps = schedule.fold + schedule.plain
    trained: nn.Module = supernet.train()
    for step in range(steps):
        if step < schedule.fold:
            supernet.anneal(1 - step / schedule.fold)
        elif step == schedule.fold:
            supernet.anneal(0)
            trained = supernet.discretise()
        loss = descend(
            trained,
            next(batches),
            optimiser,
            rate=rate_at(step, steps, RATE),
            step=schedule.search + step,
        )
        report("fold", schedule.search + step + 1, loss)
    return trained
