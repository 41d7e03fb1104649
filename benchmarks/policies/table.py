"""The policies there are."""

import time
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.search.arms import longest
from adaptd.search.method import search
from adaptd.search.neighbour import random_neighbour
from adaptd.search.training import train
from adaptd.space import build, fit_standardisation, morph, shrink_and_perturb
from benchmarks.policies.champion import (
    Deployment,
    champion_steps,
    deployed_architecture,
    trained,
)
from benchmarks.policies.inception import Inception
from benchmarks.policies.policy import Outcome, Policy, Respond

# Share of the inherited weights that shrink-and-perturb keeps (Ash & Adams 2020).
_KEPT = 0.5
# What a morph adds to a changed kernel, as a share of its size.
_NOISE = 0.06


def _trained_on(
    deployment: Deployment,
    network: nn.Module,
    architecture: Architecture | None,
    **notes: float,
) -> Outcome:
    train(network, deployment.after, steps=deployment.steps, seed=deployment.seed)
    return Outcome(network, architecture, deployment.steps, dict(notes))


def fine_tune(deployment: Deployment) -> Outcome:
    """The deployed weights, trained on."""
    return _trained_on(deployment, deployment.copy(), deployment.champion.architecture)


def scratch(deployment: Deployment) -> Outcome:
    """The deployed architecture from a fresh initialisation."""
    architecture = deployment.champion.architecture
    network = build(architecture, seed=deployment.seed)
    fit_standardisation(network, deployment.after.x)
    return _trained_on(deployment, network, architecture)


def shrink_perturb(deployment: Deployment) -> Outcome:
    """The deployed weights, halved and perturbed, trained on."""
    return _trained_on(deployment, _shrunk(deployment), deployment.champion.architecture)


def random_edit(deployment: Deployment) -> Outcome:
    """One random edge gets another random operation within the cap."""
    problem = deployment.problem()
    architecture = random_neighbour(
        problem.architecture, problem.reopening, caps=problem.caps, seed=deployment.seed
    )
    return _trained_on(deployment, _morphed(deployment, architecture), architecture)


def long_reach(deployment: Deployment) -> Outcome:
    """The longest kernel of dilation 4 under the cap on every edge."""
    architecture = _longest(deployment)
    return _trained_on(deployment, _morphed(deployment, architecture), architecture)


def long_reach_shrunk(deployment: Deployment) -> Outcome:
    """The same after the weights were halved and perturbed."""
    architecture = _longest(deployment)
    network = _morphed(deployment, architecture, start=_shrunk(deployment))
    return _trained_on(deployment, network, architecture)


def _searched(method: str, *, times: int = 1) -> Respond:
    def respond(deployment: Deployment) -> Outcome:
        found = search(deployment.problem(times * deployment.steps), method)
        if found is None:
            raise RuntimeError("a search that is not paused ends")
        notes = {
            "alphas": {group: dict(of) for group, of in found.alphas.items()},
            "concentrations": {group: dict(of) for group, of in found.concentrations.items()},
        }
        return Outcome(found.network, found.architecture, found.steps, notes)

    return respond


def race_of_three(deployment: Deployment) -> Outcome:
    """Halving over three arms picked by hand: far everywhere, far early, far late."""
    problem = deployment.problem()
    groups = problem.reopening.group_names
    picked = [longest(problem, "dw k3 d4", chosen) for chosen in (groups, groups[:1], groups[1:])]
    arms = tuple(dict.fromkeys(arm for arm in picked if arm is not None))
    found = search(replace(problem, arms=arms), "race")
    if found is None:
        raise RuntimeError("a search that is not paused ends")
    return Outcome(found.network, found.architecture, found.steps)


def _prepared(operations: tuple[str, ...]) -> Respond:
    """A fixed model with these operations by turns, trained before the shift, then fine-tuned."""

    def respond(deployment: Deployment) -> Outcome:
        started = time.process_time()
        plain = deployed_architecture(deployment.shift)
        architecture = plain.with_operations(
            {
                edge: operations[place % len(operations)]
                for place, edge in enumerate(plain.operations)
            }
        )
        champion = trained(
            architecture,
            deployment.before,
            seed=deployment.seed,
            steps=champion_steps(deployment.steps),
        )
        spent = time.process_time() - started
        return _trained_on(deployment, champion.network, architecture, prepared_seconds=spent)

    return respond


def inception(deployment: Deployment) -> Outcome:
    """A small InceptionTime, trained before the shift, then fine-tuned."""
    started = time.process_time()
    shift = deployment.shift
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(deployment.seed)
        network = Inception(in_channels=shift.shape[0], classes=shift.classes)
    fit_standardisation(network, deployment.before.x)
    train(
        network,
        deployment.before,
        steps=champion_steps(deployment.steps),
        seed=deployment.seed,
    )
    spent = time.process_time() - started
    return _trained_on(deployment, network, None, prepared_seconds=spent)


def _shrunk(deployment: Deployment) -> nn.Module:
    return shrink_and_perturb(
        deployment.champion.network,
        deployment.champion.architecture,
        factor=_KEPT,
        generator=deployment.generator(),
    )


def _morphed(
    deployment: Deployment, architecture: Architecture, *, start: nn.Module | None = None
) -> nn.Module:
    return morph(
        deployment.champion.network if start is None else start,
        deployment.champion.architecture,
        architecture,
        noise=_NOISE,
        generator=deployment.generator(),
    )


def _longest(deployment: Deployment) -> Architecture:
    problem = deployment.problem()
    found = longest(problem, "dw k3 d4", problem.reopening.group_names)
    return found or deployment.champion.architecture


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            Policy("fine-tune", fine_tune, weights_only=True),
            Policy("scratch", scratch, weights_only=True),
            Policy("shrink-perturb", shrink_perturb, weights_only=True),
            Policy("bounded", _searched("bounded")),
            Policy("random-neighbour", random_edit),
            Policy("long-reach", long_reach),
            Policy("long-reach-shrunk", long_reach_shrunk),
            Policy("race", _searched("race")),
            Policy("race-of-three", race_of_three),
            Policy("wide", _prepared(("dw k17 d1",))),
            Policy("multi-scale", _prepared(("dw k5 d4", "dw k3 d1", "dw k9 d1"))),
            Policy("inception", inception),
            Policy("darts", _searched("darts-1st")),
            Policy("darts-5x", _searched("darts-1st", times=5)),
        )
    }
)
