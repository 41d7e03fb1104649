"""The searches of a job: within which caps, and what comes of them."""

from collections.abc import Mapping
from typing import Any

from adaptd.adaptation.bench import Bench
from adaptd.adaptation.caps import counted_caps, latency_cap, measured_latency
from adaptd.adaptation.job import Job
from adaptd.adaptation.training import Trained
from adaptd.search.caps import Cap, NothingFits
from adaptd.search.method import METHODS, require_fitting
from adaptd.search.problem import Found, Moment, Problem
from adaptd.search.training import Samples


def skip_hopeless(
    bench: Bench, job: Job, samples: Samples, name: str, *, around: Trained, champion: Trained
) -> None:
    """Skips the search of this name where it could choose nothing but what is deployed, or not even
    that keeps to the job's caps, before anything is trained."""
    if not bench.lacks(name):
        return
    caps = _caps(bench, job, name, around, champion)
    try:
        require_fitting(METHODS[job.method], _problem(job, samples, around, caps))
    except NothingFits as error:
        bench.complete(name, skipped={name: str(error)})


def reopen(
    bench: Bench, job: Job, samples: Samples, name: str, *, around: Trained, champion: Trained
) -> None:
    """Searches around the network, and trains what it finds; the member has this name. It is
    skipped where nothing is found within the job's limits."""
    if not bench.lacks(name):
        return
    problem = _problem(job, samples, around, _caps(bench, job, name, around, champion))

    def watch(moment: Moment) -> None:
        bench.show(moment.phase, moment.step, job.steps, moment.loss)

    try:
        found: Found = bench.carry_out(
            name, lambda: METHODS[job.method].begin(problem, watch=watch)
        )
    except NothingFits as error:
        bench.complete(name, skipped={name: str(error)})
        return
    # Its two parts are told apart.
    seconds = bench.phase_seconds.pop(name)
    bench.phase_seconds.update(found.phase_seconds)
    bench.add(name, found.architecture, found.network, steps=found.steps, seconds=seconds)
    bench.complete(
        name,
        alphas=_plain(found.alphas),
        concentrations=_plain(found.concentrations),
        supernet_memory_ratio=found.supernet_memory_ratio,
    )


def _problem(job: Job, samples: Samples, around: Trained, caps: tuple[Cap, ...]) -> Problem:
    architecture, network = around
    return Problem.around(
        network,
        architecture,
        samples,
        steps=job.steps,
        seed=job.seed,
        caps=caps,
        concentrations=job.concentrations,
    )


def _caps(bench: Bench, job: Job, name: str, around: Trained, champion: Trained) -> tuple[Cap, ...]:
    caps = counted_caps(job, around[1], around[0])
    if job.maximum_latency_seconds is None:
        return caps
    # Measured once: a search that goes on does so under the same.
    known: dict[str, dict[str, Any]] = bench.fact("edge_latency") or {}
    if name not in known:
        measured = job.edge_latency.get(name) or measured_latency(job, around, champion)
        known = {**known, name: measured}
        bench.complete(f"{name}-latency", edge_latency=known)
    return (*caps, latency_cap(known[name]))


def _plain(groups: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {group: dict(weights) for group, weights in groups.items()}
