"""Decisions: who said yes or no, when, why, to which digest; an append-only hash chain."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from adaptd.architecture.canonical import digest_of
from adaptd.errors import ArtifactError, ConflictError
from adaptd.registry import proposals
from adaptd.store.tables import decisions

# What a verdict makes of the proposal.
VERDICTS = {"approve": "approved", "reject": "rejected"}

# A policy signs as policy:<name>; everybody else is a person and says why.
POLICY_PREFIX = "policy:"

# What the first decision follows.
GENESIS = "0" * 64


@dataclass(frozen=True)
class Decision:
    """One link of the chain.

    number: from 1, without gaps, over all streams. digest: the challenger that was decided on.
    verdict: approve or reject. actor: a person, or `policy:<name>`. hash: hex sha256 of the
    canonical JSON of all other fields; previous_hash: the hash of the decision before.
    """

    number: int
    proposal_id: str
    stream: str
    digest: str
    verdict: str
    actor: str
    comment: str
    at: datetime
    previous_hash: str
    hash: str


def decide(
    connection: Connection,
    *,
    proposal_id: str,
    digest: str,
    verdict: str,
    actor: str,
    comment: str,
    now: datetime,
) -> Decision:
    """Approves or rejects an awaiting proposal and appends that to the chain.

    digest: of the challenger as the actor saw it.
    Raises ConflictError if the proposal is for another digest or awaits no longer; ValueError for
    an unknown verdict, no actor, or a person's empty comment; NotFoundError if there is no such
    proposal.
    """
    if verdict not in VERDICTS:
        raise ValueError(f"verdict must be one of {list(VERDICTS)}, got {verdict!r}")
    if not actor.strip():
        raise ValueError("a decision needs an actor")
    if not comment.strip() and not actor.startswith(POLICY_PREFIX):
        raise ValueError("a person's decision needs a comment that says why")
    proposal = proposals.get(connection, proposal_id)
    if proposal.digest != digest:
        raise ConflictError(
            f"proposal {proposal_id} is for {proposal.digest}, the decision is on {digest}"
        )
    proposals.move(connection, proposal_id, expected="awaiting", to=VERDICTS[verdict], now=now)
    last = connection.execute(
        select(decisions.c.number, decisions.c.hash).order_by(decisions.c.number.desc()).limit(1)
    ).one_or_none()
    fields: dict[str, Any] = {
        "number": 1 if last is None else last.number + 1,
        "proposal_id": proposal_id,
        "stream": proposal.stream,
        "digest": digest,
        "verdict": verdict,
        "actor": actor,
        "comment": comment,
        "at": now.astimezone(UTC),
        "previous_hash": GENESIS if last is None else last.hash,
    }
    decision = Decision(**fields, hash=_hash(fields))
    connection.execute(insert(decisions).values(**fields, hash=decision.hash))
    return decision


def listing(connection: Connection, stream: str | None = None) -> list[Decision]:
    """Decisions of one stream or of all, oldest first."""
    query = select(decisions).order_by(decisions.c.number)
    if stream is not None:
        query = query.where(decisions.c.stream == stream)
    return [Decision(**row) for row in connection.execute(query).mappings()]


def verify_chain(connection: Connection) -> None:
    """Checks that no decision was changed, removed from the middle, or put in between.

    What is cut off the end cannot be seen from the chain alone: keep the latest hash elsewhere too.
    Raises ArtifactError with the number of the first decision that does not fit.
    """
    previous_hash = GENESIS
    rows = connection.execute(select(decisions).order_by(decisions.c.number)).mappings()
    for number, row in enumerate(rows, start=1):
        fields = {name: value for name, value in row.items() if name != "hash"}
        if row["number"] != number:
            raise ArtifactError(f"decision {number} is missing, {row['number']} follows instead")
        if row["previous_hash"] != previous_hash:
            raise ArtifactError(f"decision {number} does not follow the one before it")
        if row["hash"] != _hash(fields):
            raise ArtifactError(f"decision {number} is not what was decided: its hash differs")
        previous_hash = row["hash"]


def _hash(fields: Mapping[str, Any]) -> str:
    return digest_of({**fields, "at": fields["at"].isoformat(timespec="microseconds")})
