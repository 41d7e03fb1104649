"""The reopening of a deployed network, as the daemon asks for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from adaptd.architecture import Architecture
from adaptd.clock import Clock
from adaptd.search.candidates import reopening_of
from adaptd.search.caps import Cap
from adaptd.search.method import METHODS, Search, require_fitting
from adaptd.search.problem import Found, Moment, Problem
from adaptd.search.training import Samples
from adaptd.space import EdgeCosts, architecture_edges

SearchProgress = Callable[[str, int, float], None]


@dataclass(frozen=True)
class Reopened:
    """What a reopening gives.

    network: plain, of `architecture`, trained. alphas: group -> operation -> weight at the end of
    the search.
    concentrations: the counts for the next search. steps: gradient computations on batches of 64,
    all phases, on weights or alphas. supernet_memory_ratio: saved bytes of its training step over
    those of the deployed network's, None where no supernet was opened.
    phase_seconds: "search" and "fold", monotonic. stopped: why it ended early, None if it did not.
    """

    architecture: Architecture
    network: nn.Module
    alphas: Mapping[str, Mapping[str, float]]
    concentrations: Mapping[str, Mapping[str, float]]
    steps: int
    supernet_memory_ratio: float | None
    phase_seconds: Mapping[str, float]
    stopped: str | None = None


def reopen(
    network: nn.Module,
    architecture: Architecture,
    samples: Samples,
    *,
    steps: int,
    seed: int,
    caps: tuple[Cap, ...],
    concentrations: Mapping[str, Mapping[str, float]],
    progress: SearchProgress | None = None,
    clock: Clock | None = None,
) -> Reopened:
    """Searches around the deployed network for an architecture that fits, and trains it.

    1. Shrink and perturb, the more the worse the deployed network does. 2. A merged supernet,
    alphas of a cell tied (but over images), a quarter of the steps first-order bilevel: weights on
    one half of the samples, alphas on the other. 3. The most likely architecture under the caps,
    exactly; taps grown while they allow. 4. All samples, a fresh optimiser; what the fold leaves
    out fades over a tenth of the steps, then the plain network trains on.

    network: deployed; left as it is. steps: counts alpha steps too. caps: what the outcome must
    not exceed. concentrations: counts of earlier searches, {} for none.
    progress: called after each step with the phase ("search" or "fold"), the number of steps done
    of all, the loss. The same arguments give the same architecture and weights.
    Raises ValueError for too few steps or samples, NothingFits for caps below every candidate,
    TrainingDiverged.
    Sources: Liu et al. 2019, "DARTS" (first order); Ash & Adams 2020 (shrink and perturb).
    """
    found = begin_reopening(
        network,
        architecture,
        samples,
        steps=steps,
        seed=seed,
        caps=caps,
        concentrations=concentrations,
        progress=progress,
        clock=clock,
    ).run()
    if found is None:
        raise RuntimeError("a search that is not paused ends")
    return reopened(found)


def begin_reopening(
    network: nn.Module,
    architecture: Architecture,
    samples: Samples,
    *,
    steps: int,
    seed: int,
    caps: tuple[Cap, ...],
    concentrations: Mapping[str, Mapping[str, float]],
    method: str = "bounded",
    progress: SearchProgress | None = None,
    clock: Clock | None = None,
) -> Search:
    """The search of `reopen` before its first step, for who pauses and saves it; by another method
    of `METHODS` if one is named.

    Raises ValueError and NothingFits as `reopen`.
    """

    def watch(moment: Moment) -> None:
        if progress is not None:
            progress(moment.phase, moment.step, moment.loss)

    problem = Problem(
        network=network,
        architecture=architecture,
        samples=samples,
        reopening=reopening_of(architecture, tuple(samples.x.shape[1:])),
        edges=architecture_edges(architecture),
        costs=EdgeCosts.of(architecture, tuple(samples.x.shape[1:])),
        steps=steps,
        seed=seed,
        caps=caps,
        concentrations=concentrations,
    )
    require_fitting(METHODS[method], problem)
    return METHODS[method].begin(problem, watch=watch, clock=clock)


def reopened(found: Found) -> Reopened:
    """What the search of a reopening has found."""
    return Reopened(
        architecture=found.architecture,
        network=found.network,
        alphas=found.alphas,
        concentrations=found.concentrations,
        steps=found.steps,
        supernet_memory_ratio=found.supernet_memory_ratio,
        phase_seconds=found.phase_seconds,
        stopped=found.stopped,
    )
