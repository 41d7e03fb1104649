"""How a proposal is shown: for a person as tables, for a program as a document."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from adaptd.cli.console import open_table
from adaptd.registry.decisions import Decision
from adaptd.registry.proposals import Proposal
from adaptd.server.evidence import (
    CHALLENGER,
    Evidence,
    best_rival,
    checks,
    edges,
    members,
    read,
    rivals,
    summary,
)
from adaptd.server.wording import ABSENT, count, duration, instant, percent, points, ratio

SCHEMA_VERSION = 1


def document(proposal: Proposal, decisions: Sequence[Decision]) -> dict[str, Any]:
    """The proposal and what was decided on it, as plain values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": proposal.id,
        "stream": proposal.stream,
        "state": proposal.state,
        "episode_id": proposal.episode_id,
        "digest": proposal.digest,
        "champion_digest": proposal.champion_digest,
        "created_record": proposal.created_record,
        "created_at": proposal.created_at.isoformat(),
        "settled_at": None if proposal.settled_at is None else proposal.settled_at.isoformat(),
        "evidence": dict(proposal.evidence),
        "decisions": [
            {
                "verdict": decision.verdict,
                "actor": decision.actor,
                "comment": decision.comment,
                "at": decision.at.isoformat(),
                "digest": decision.digest,
            }
            for decision in decisions
        ],
    }


def show_list(console: Console, proposals: Sequence[Proposal]) -> None:
    """One row a proposal; the gain is over the better weights-only remedy."""
    table = open_table(console, "id", "stream", "state", "accuracy", "gain", "created")
    for proposal in proposals:
        evidence = read(proposal.evidence)
        accuracy = None if evidence is None else evidence.accuracy.get(CHALLENGER)
        table.add_row(
            proposal.id,
            proposal.stream,
            proposal.state,
            percent(accuracy),
            _gain(evidence),
            instant(proposal.created_at),
        )
    console.print(table)


def show(
    console: Console,
    proposal: Proposal,
    decisions: Sequence[Decision],
    *,
    is_champion_current: bool,
) -> None:
    """All that an operator decides on: what would change, how well it did, against what."""
    evidence = read(proposal.evidence)
    facts = open_table(console, "", "", title=f"Proposal {proposal.id}")
    for name, value in _facts(proposal, evidence):
        facts.add_row(name, value)
    console.print(facts)
    if evidence is None:
        console.print(
            "Its evidence cannot be read by this version; --json shows it as it is stored."
        )
    else:
        _show_evidence(console, evidence, is_champion_current=is_champion_current)
    if decisions:
        table = open_table(console, "decision", "by", "at", "comment")
        for decision in decisions:
            table.add_row(decision.verdict, decision.actor, instant(decision.at), decision.comment)
        console.print(table)


def _show_evidence(console: Console, evidence: Evidence, *, is_champion_current: bool) -> None:
    console.print(summary(evidence))
    console.print()
    measured = open_table(
        console,
        "on the same live records",
        "accuracy",
        "challenger's lead",
        title="Accuracy",
    )
    for row in members(evidence):
        measured.add_row(
            row.title,
            percent(row.accuracy),
            row.difference,
            style="bold" if row.is_challenger else None,
        )
    console.print(measured)
    tests = open_table(console, "against", "e-value", "", title="Evidence")
    for rival in rivals(evidence):
        tests.add_row(rival.title, rival.value, rival.meaning)
    console.print(tests)
    checked = open_table(console, "", "", title="What must hold")
    for check in checks(evidence, is_champion_current=is_champion_current):
        checked.add_row("yes" if check.holds else "NO", check.text)
    console.print(checked)
    changes = open_table(console, "edge", "champion", "challenger", title="Architecture")
    for edge in edges(evidence):
        changes.add_row(
            edge.edge, edge.before, edge.after, style="bold" if edge.is_changed else None
        )
    console.print(changes)


def _facts(proposal: Proposal, evidence: Evidence | None) -> list[tuple[str, str]]:
    rows = [
        ("stream", proposal.stream),
        ("state", proposal.state),
        ("created", f"{instant(proposal.created_at)}, at record {count(proposal.created_record)}"),
        ("challenger", proposal.digest),
        ("in place of", proposal.champion_digest),
    ]
    if evidence is None:
        return rows
    if evidence.drift is not None:
        rows.append(
            (
                "drift",
                f"{evidence.drift.signal}: alarm at record {count(evidence.drift.record)}, "
                f"dated to record {count(evidence.drift.since_record)}",
            )
        )
    else:
        rows.append(("trigger", evidence.trigger or ABSENT))
    if evidence.supernet_memory_ratio is not None:
        rows.append(
            (
                "memory of the search",
                f"{ratio(evidence.supernet_memory_ratio)} of training the deployed model",
            )
        )
    if evidence.phase_seconds:
        rows.append(
            ("time", ", ".join(f"{k} {duration(v)}" for k, v in evidence.phase_seconds.items()))
        )
    return rows


def _gain(evidence: Evidence | None) -> str:
    rival = None if evidence is None else best_rival(evidence)
    if evidence is None or rival is None or CHALLENGER not in evidence.accuracy:
        return ABSENT
    return points(evidence.accuracy[CHALLENGER] - evidence.accuracy[rival])
