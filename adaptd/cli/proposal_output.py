"""How a proposal is printed: for a person as tables, for a program as a document."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from adaptd.cli.console import open_table
from adaptd.registry.decisions import Decision
from adaptd.registry.proposals import Proposal
from adaptd.server.evidence import Evidence, best_rival, read
from adaptd.server.proposal_view import ProposalView
from adaptd.server.wording import ABSENT, count, duration, instant, percent, phase, points, ratio

SCHEMA_VERSION = 1


def document(proposal: Proposal, decision: Decision | None) -> dict[str, Any]:
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
        "decision": None
        if decision is None
        else {
            "verdict": decision.verdict,
            "digest": decision.digest,
            "actor": decision.actor,
            "comment": decision.comment,
            "at": decision.at.isoformat(),
        },
    }


def print_list(console: Console, proposals: Sequence[Proposal]) -> None:
    """One row a proposal; the gain is over the most accurate of the rivals."""
    table = open_table(console, "id", "stream", "state", "accuracy", "gain", "created")
    for proposal in proposals:
        evidence = read(proposal.evidence)
        table.add_row(
            proposal.id,
            proposal.stream,
            proposal.state,
            percent(None if evidence is None else evidence.accuracy.get(evidence.challenger)),
            _gain(evidence),
            instant(proposal.created_at),
        )
    console.print(table)


def print_one(console: Console, view: ProposalView) -> None:
    """All that an operator decides on: what would change, how well it did, against what."""
    console.print(_facts(console, view))
    if view.evidence is None:
        console.print("\nThis version cannot read its evidence; --json shows it as it is stored.")
    else:
        console.print(f"\n{view.summary}", markup=False)
        for table in (
            _members(console, view),
            _rivals(console, view),
            *([_forgetting(console, view)] if view.old_concepts else []),
            _checks(console, view),
            _parts(console, view),
        ):
            console.print()
            console.print(table)
    if view.decision is not None:
        console.print()
        console.print(
            f"{view.decision.verdict} by {view.decision.actor}, {instant(view.decision.at)}: "
            f"{view.decision.comment}",
            markup=False,
        )


def _facts(console: Console, view: ProposalView) -> Table:
    proposal, evidence = view.proposal, view.evidence
    table = open_table(console, "", "", title=f"Proposal {proposal.id}")
    table.add_row("stream", proposal.stream)
    table.add_row("state", proposal.state)
    table.add_row("episode", proposal.episode_id)
    table.add_row(
        "created", f"{instant(proposal.created_at)}, at record {count(proposal.created_record)}"
    )
    table.add_row("challenger", proposal.digest)
    table.add_row("in place of", proposal.champion_digest)
    if evidence is None:
        return table
    trigger = view.trigger
    if evidence.drift is not None:
        trigger += (
            f" ({evidence.drift.signal}) at record {count(evidence.drift.record)}, "
            f"dated to record {count(evidence.drift.since_record)}"
        )
    table.add_row("because of", trigger)
    if view.diagnosis is not None:
        table.add_row("looks like", view.diagnosis)
    if view.remembrance is not None:
        table.add_row("against forgetting", view.remembrance)
    if view.budget is not None:
        table.add_row("chance of error", view.budget)
    if view.left_out is not None:
        table.add_row("not tried", view.left_out)
    for title, amounts in view.costs:
        table.add_row(title.lower(), amounts)
    if evidence.supernet_memory_ratio is not None:
        table.add_row(
            "memory of the search",
            f"{ratio(evidence.supernet_memory_ratio)} of training the network that it began with",
        )
    if evidence.phase_seconds:
        table.add_row("time", phases(evidence.phase_seconds))
    return table


def phases(seconds: dict[str, float]) -> str:
    """What took how long, in one line."""
    return ", ".join(f"{phase(name)} {duration(value)}" for name, value in seconds.items())


def _members(console: Console, view: ProposalView) -> Table:
    table = open_table(
        console, "on the same live records", "accuracy", "challenger's lead", title="Accuracy"
    )
    for row in view.members:
        style = "bold" if row.is_challenger else None
        table.add_row(row.title, percent(row.accuracy), row.difference, style=style)
    return table


def _rivals(console: Console, view: ProposalView) -> Table:
    table = open_table(console, "against", "e-value", "chance", "records as one", title="Evidence")
    for row in view.rivals:
        table.add_row(row.title, row.value, row.chance, row.as_one)
    table.caption, table.caption_justify, table.caption_style = view.chance, "left", ""
    return table


def _forgetting(console: Console, view: ProposalView) -> Table:
    table = open_table(
        console,
        "old concept of",
        "records",
        "then",
        "champion",
        "challenger",
        "forgotten",
        title="Forgetting",
    )
    for row in view.old_concepts:
        table.add_row(
            row.title,
            count(row.records),
            percent(row.then),
            percent(row.champion),
            percent(row.challenger),
            row.forgotten,
        )
    return table


def _checks(console: Console, view: ProposalView) -> Table:
    table = open_table(console, "", "", title="What must hold")
    for check in view.checks:
        table.add_row("yes" if check.holds else "NO", check.text)
    return table


def _parts(console: Console, view: ProposalView) -> Table:
    table = open_table(console, "part", "champion", "challenger", title="Architecture")
    for row in view.parts:
        style = "bold" if row.is_changed else None
        table.add_row(row.part, row.before, row.after, style=style)
    return table


def _gain(evidence: Evidence | None) -> str:
    rival = None if evidence is None else best_rival(evidence)
    if evidence is None or rival is None or evidence.challenger not in evidence.accuracy:
        return ABSENT
    return points(evidence.accuracy[evidence.challenger] - evidence.accuracy[rival])
