"""What an operator's form asks for, checked and carried out."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from adaptd.errors import ConflictError
from adaptd.registry import decisions, proposals
from adaptd.registry.decisions import Decision
from adaptd.registry.proposals import Proposal
from adaptd.server import evidence
from adaptd.server.wording import instant, short

# Whoever reaches the loopback interface: there is no sign-in that could name a person.
ACTOR = "operator@loopback"

# Characters; a reason is a few sentences.
MAXIMUM_COMMENT = 2_000


class FormProblem(Exception):
    """The form can be mended and sent again; the text says how."""


@dataclass(frozen=True)
class DecisionForm:
    """The fields as they were sent. digest: of the challenger that the form showed."""

    verdict: str
    digest: str
    comment: str

    def check(self) -> None:
        """Raises FormProblem for what the operator has to fill in differently."""
        if self.verdict not in decisions.VERDICTS:
            raise FormProblem("Choose Approve or Reject.")
        if not self.comment.strip():
            raise FormProblem("Say in the comment why: it goes to the decision log.")
        if len(self.comment) > MAXIMUM_COMMENT:
            raise FormProblem(
                f"The comment may hold {MAXIMUM_COMMENT:,} characters, it has "
                f"{len(self.comment):,}."
            )


def carry_out(
    connection: Connection, identifier: str, form: DecisionForm, *, now: datetime
) -> Decision:
    """Appends the decision to the log, in the connection's transaction.

    Raises FormProblem for a form that can be mended; ConflictError, in a sentence for the operator,
    where the proposal is not what the form showed; NotFoundError if there is none.
    """
    proposal = proposals.get(connection, identifier)
    form.check()
    if proposal.state != "awaiting":
        raise ConflictError(_settled(connection, proposal))
    if proposal.digest != form.digest:
        raise ConflictError(
            f"The form showed the challenger {short(form.digest) or 'without a digest'}, but this "
            f"proposal is for {short(proposal.digest)}. Nothing was decided; look at it again."
        )
    if form.verdict == "approve" and evidence.read(proposal.evidence) is None:
        raise ConflictError(
            "The evidence of this proposal cannot be read, so it cannot be approved. "
            "Nothing was decided."
        )
    return decisions.decide(
        connection,
        proposal_id=identifier,
        digest=form.digest,
        verdict=form.verdict,
        actor=ACTOR,
        comment=form.comment.strip(),
        now=now,
    )


def _settled(connection: Connection, proposal: Proposal) -> str:
    if proposal.state == "expired":
        return (
            f"This proposal expired at {instant(proposal.settled_at)}, because the stream has "
            "moved on since its evidence was taken. Your decision was not recorded."
        )
    decided = [
        item
        for item in decisions.listing(connection, proposal.stream)
        if item.proposal_id == proposal.id
    ]
    done = "rejected" if proposal.state == "rejected" else "approved"
    by = f" by {decided[0].actor} at {instant(decided[0].at)}" if decided else ""
    return f"This proposal was already {done}{by}. Your decision was not recorded."
