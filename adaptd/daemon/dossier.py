"""The evidence document of a proposal: all that an operator needs to trust it or not."""

from collections.abc import Mapping
from typing import Any

from adaptd.adaptation.job import REOPENED, WIDER, Result
from adaptd.adaptation.trial import CHALLENGERS
from adaptd.adaptation.trigger import Trigger
from adaptd.architecture import Architecture, diff
from adaptd.daemon.forgetting import OLD_CONCEPTS
from adaptd.daemon.limits import LATENCY, PARAMETERS
from adaptd.registry.releases import Release
from adaptd.registry.spendings import Spending

SCHEMA_VERSION = 1


def dossier(
    *,
    evidence: Mapping[str, Any],
    spending: Spending,
    stream_alpha: float,
    result: Result,
    champion: Release,
    trigger: Trigger,
    plan: dict[str, Any],
    maximum_forgetting_points: float | None = None,
) -> dict[str, Any]:
    """Plain values only. Accuracies are fractions over the trial's records, the same for
    everybody, and of old concepts over what is kept of them. evidence: of the trial that was won.
    stream_alpha: of which the trial's alpha is a share. maximum_forgetting_points: beyond which a
    person decides, None for no limit."""
    member = result.members[proposed(evidence)]
    challenger = Architecture.from_document(member.architecture)
    # What keeps the architecture takes what the champion takes, whatever is allowed.
    is_challenger = proposed(evidence) in CHALLENGERS
    drift = (
        {
            "signal": trigger.detail,
            "record": trigger.record,
            "since_record": trigger.since_record,
        }
        if trigger.kind == "drift"
        else None
    )
    return {
        "schema_version": SCHEMA_VERSION,
        **evidence,
        "alpha_budget": {
            "stream": stream_alpha,
            "test": spending.test,
            "spent_before": spending.spent_before,
            "spent": spending.alpha,
        },
        "trigger": trigger.kind,
        "drift": drift,
        "diagnosis": plan.get("diagnosis"),
        OLD_CONCEPTS: plan.get(OLD_CONCEPTS, []),
        "maximum_forgetting_points": maximum_forgetting_points,
        "training_records": None
        if plan["first_record"] is None
        else [plan["first_record"], plan["end_record"] - 1],
        "given_weights": plan.get("given_weights"),
        "left_out_records": sum(end - first for first, end in plan.get("left_out", ())),
        "held_back_records": plan.get("held_back", 0),
        "rehearsal": _told(plan, "rehearsal", "count", "share"),
        "distillation": _told(plan, "distillation", "weight", "temperature"),
        "training_classes": plan.get("class_counts"),
        "skipped": dict(result.skipped),
        # Its own: correcting priors takes none, and an earlier release is as it was.
        "training_steps": member.steps,
        "champion_architecture": champion.architecture.to_document(),
        "challenger_architecture": challenger.to_document(),
        "edits": [str(edit) for edit in diff(champion.architecture, challenger)],
        "macs": {
            "champion": champion.macs,
            "challenger": member.macs,
            "cap": plan["wider"]["macs_cap"] if proposed(evidence) == WIDER else plan["macs_cap"],
        },
        "parameters": {
            "champion": result.champion_parameters,
            "challenger": member.parameters,
            "cap": plan.get(PARAMETERS) if is_challenger else None,
        },
        "latency_seconds": {
            "champion": member.champion_latency_seconds,
            "challenger": member.latency_seconds,
            "cap": plan.get(LATENCY) if is_challenger else None,
        },
        # Of the last search alone.
        "supernet_memory_ratio": None
        if WIDER in result.members and proposed(evidence) != WIDER
        else result.supernet_memory_ratio,
        "phase_seconds": dict(result.phase_seconds),
    }


def _told(plan: Mapping[str, Any], key: str, *facts: str) -> dict[str, Any] | None:
    """What the plan has of it that says something to a person; None where nothing is planned."""
    found = plan.get(key)
    return None if found is None else {fact: found[fact] for fact in facts}


def proposed(evidence: Mapping[str, Any]) -> str:
    """Which member of the trial a proposal's evidence is for; the reopened network in those that
    were written when nothing else could be proposed."""
    return str(evidence.get("challenger", REOPENED))
