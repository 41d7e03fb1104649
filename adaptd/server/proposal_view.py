"""`ProposalView`: a proposal as its page shows it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from adaptd.registry import decisions, releases
from adaptd.registry.decisions import Decision
from adaptd.registry.proposals import Proposal
from adaptd.server import evidence as evidence_of
from adaptd.server import forgetting
from adaptd.server.evidence import Check, Evidence, MemberRow, RivalRow
from adaptd.server.forgetting import ForgettingRow
from adaptd.server.part_rows import PartRow, parts
from adaptd.server.remembrance import remembrance
from adaptd.server.wording import age, diagnosis

TRIGGERS = {
    "drift": "a drift alarm",
    "schedule": "the schedule, without an alarm",
    "manual": "an operator's request",
    "watch": "the watch over a fresh release",
}


@dataclass(frozen=True)
class ProposalView:
    """evidence: None where its document cannot be understood; then the rows are empty."""

    proposal: Proposal
    decision: Decision | None
    evidence: Evidence | None
    summary: str
    trigger: str
    age: str
    diagnosis: str | None = None
    budget: str | None = None
    remembrance: str | None = None
    members: tuple[MemberRow, ...] = ()
    rivals: tuple[RivalRow, ...] = ()
    checks: tuple[Check, ...] = ()
    costs: tuple[tuple[str, str], ...] = ()
    left_out: str | None = None
    parts: tuple[PartRow, ...] = ()
    old_concepts: tuple[ForgettingRow, ...] = ()

    @property
    def chance(self) -> str:
        """What the chances beside the e-values are of."""
        return evidence_of.CHANCE

    @property
    def changed(self) -> int:
        """How many parts of the architecture are others."""
        return sum(row.is_changed for row in self.parts)


def view(connection: Connection, proposal: Proposal, *, now: datetime) -> ProposalView:
    """The proposal with its decision, its evidence in words, and whether the champion is still the
    one that it was compared with.
    """
    decision = next(
        (
            item
            for item in decisions.listing(connection, proposal.stream)
            if item.proposal_id == proposal.id
        ),
        None,
    )
    evidence = evidence_of.read(proposal.evidence)
    elapsed = age(now - proposal.created_at)
    if evidence is None:
        return ProposalView(proposal, decision, None, "", "", elapsed)
    champion = releases.current(connection, proposal.stream)
    # Once it is settled, who is champion now says nothing of the evidence any more.
    is_champion_current = (
        champion is not None and champion.digest == proposal.champion_digest
        if proposal.state in ("awaiting", "approved")
        else None
    )
    return ProposalView(
        proposal=proposal,
        decision=decision,
        evidence=evidence,
        summary=evidence_of.summary(evidence),
        trigger=TRIGGERS.get(evidence.trigger, evidence.trigger or "not named"),
        age=elapsed,
        diagnosis=None
        if evidence.diagnosis is None
        else diagnosis(evidence.diagnosis.kind, evidence.diagnosis.channels),
        budget=evidence_of.budget(evidence),
        remembrance=remembrance(evidence.rehearsal, evidence.distillation),
        members=evidence_of.members(evidence),
        rivals=evidence_of.rivals(evidence),
        checks=evidence_of.checks(evidence, is_champion_current=is_champion_current),
        costs=evidence_of.costs_of(evidence),
        left_out=evidence_of.left_out(evidence),
        parts=parts(evidence.champion_architecture, evidence.challenger_architecture),
        old_concepts=forgetting.rows(evidence.old_concepts, evidence.challenger),
    )
