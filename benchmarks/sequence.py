"""Benchmark `sequence`: chains of drifts, each policy carrying its own model on.

The cap on cost stays that of the first deployed model throughout. What counts is not one drift but
all of them: a fixed long kernel is right until the drift that reverses.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from adaptd.space import EdgeCosts
from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.jobs import run_jobs
from benchmarks.policies import POLICIES, Champion, Deployment
from benchmarks.policies.champion import (
    CAP,
    champion_steps,
    deployed_architecture,
    samples_of,
    trained,
)
from benchmarks.policies.policy import answer
from benchmarks.recorded import recorded
from benchmarks.streams.chains import CHAINS

_POLICIES: dict[Scale, tuple[str, ...]] = {
    "full": (
        "fine-tune", "scratch", "shrink-perturb", "bounded", "random-neighbour", "long-reach",
        "long-reach-shrunk", "race", "race-of-three",
    ),
    "quick": (
        "fine-tune", "scratch", "shrink-perturb", "bounded", "random-neighbour", "long-reach",
        "race",
    ),
    "smoke": ("fine-tune", "bounded"),
}  # fmt: skip
_CHAINS: dict[Scale, tuple[str, ...]] = {
    "full": tuple(CHAINS),
    "quick": ("sensors", "lags"),
    "smoke": ("lags",),
}
_STEPS: dict[Scale, int] = {"full": 800, "quick": 400, "smoke": 40}

# Points by which `bounded` may be below the best policy on one drift.
_LARGEST_LOSS = 1.0

Job = tuple[str, int, Scale, str]


def run(settings: Settings) -> Outcome:
    """Raises MissingDataError without the recorded streams, where one is among those asked for."""
    names = _CHAINS[settings.scale]
    if any(not CHAINS[name].synthetic for name in names):
        recorded(settings.data, "streams")
    jobs = [
        (name, seed, settings.scale, str(settings.data))
        for name in names
        for seed in settings.seeds
    ]
    outcomes = run_jobs(measure, jobs, keep=settings.keep)
    measured = dict(zip(((job[0], job[1]) for job in jobs), outcomes, strict=True))
    accuracy: dict[str, dict[str, dict[str, float]]] = {}
    for name in names:
        repetitions = [measured[name, seed] for seed in settings.seeds]
        accuracy[name] = {
            link: {
                policy: fmean(rows[link][policy] for rows in repetitions)
                for policy in repetitions[0][link]
            }
            for link in repetitions[0]
        }
    policies = _POLICIES[settings.scale]
    means = {
        policy: fmean(of[policy] for chain in accuracy.values() for of in chain.values())
        for policy in policies
    }
    losses = {
        f"{name} {link}": of["bounded"] - max(of[policy] for policy in policies)
        for name, chain in accuracy.items()
        for link, of in chain.items()
    }
    document = {
        "accuracy": accuracy,
        "mean_accuracy": means,
        "bounded_below_the_best": losses,
        "targets": {
            "best_mean": {
                "measured": means["bounded"] - max(means.values()),
                "is_met": means["bounded"] >= max(means.values()),
            },
            "largest_loss": {
                "target": -_LARGEST_LOSS,
                "measured": min(losses.values()),
                "is_met": min(losses.values()) >= -_LARGEST_LOSS,
            },
        },
    }
    return Outcome(document, partial(_draw, document=document))


def measure(job: Job) -> dict[str, dict[str, float]]:
    """Link -> policy -> accuracy in percent after it, of one chain and seed."""
    name, seed, scale, data = job
    chain = CHAINS[name]
    before, links = chain.draw(seed, Path(data))
    architecture = deployed_architecture(chain)
    first = trained(
        architecture, samples_of(before), seed=seed, steps=champion_steps(_STEPS[scale])
    )
    cap = int(CAP * EdgeCosts.of(architecture, chain.shape).total(architecture))
    found: dict[str, dict[str, float]] = {link.name: {} for link in links}
    for policy in _POLICIES[scale]:
        champion = first
        concentrations: Mapping[str, Mapping[str, float]] = {}
        for place, link in enumerate(links):
            deployment = Deployment(
                shift=chain,
                champion=champion,
                before=samples_of(before),
                after=samples_of(link.after),
                after_test=samples_of(link.after_test),
                macs_cap=cap,
                seed=1_000 * seed + place,
                steps=_STEPS[scale],
                concentrations=concentrations,
            )
            given = answer(POLICIES[policy], deployment)
            found[link.name][policy] = given.accuracy
            if given.architecture is None:
                raise RuntimeError(f"{policy} has no architecture to carry on")
            champion = Champion(given.network, given.architecture)
            concentrations = given.notes.get("concentrations", {})
    return found


def _draw(path: Path, document: Mapping[str, Any]) -> None:
    accuracy: Mapping[str, Mapping[str, Mapping[str, float]]] = document["accuracy"]
    figure = Figure(figsize=(5.2 * len(accuracy), 4.4), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(accuracy), squeeze=False)[0]
    for axes, (name, chain) in zip(panels, accuracy.items(), strict=True):
        for policy in document["mean_accuracy"]:
            axes.plot(
                list(chain),
                [of[policy] for of in chain.values()],
                "o-",
                linewidth=2.4 if policy == "bounded" else 1.1,
                label=policy,
            )
        axes.set_title(name, loc="left")
        axes.tick_params(axis="x", rotation=25)
    panels[0].set_ylabel("accuracy after each drift, percent")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False
    )
    figure.savefig(path)
