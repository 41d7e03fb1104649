"""Proposals: a challenger that passed its trial, with the evidence, until somebody settles it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update
from ulid import ULID

from adaptd.errors import ConflictError, NotFoundError
from adaptd.store import outbox
from adaptd.store.tables import proposals

EVENT_VERSION = 1

STATES = ("awaiting", "approved", "rejected", "expired", "published")

# Every move there is. A decision makes the first two; the daemon makes the others.
MOVES = frozenset(
    {
        ("awaiting", "approved"),
        ("awaiting", "rejected"),
        ("awaiting", "expired"),
        ("approved", "published"),
        # The champion that it was tried against is gone.
        ("approved", "expired"),
    }
)


@dataclass(frozen=True)
class Proposal:
    """A challenger and why it should replace the champion. One of a stream awaits at a time.

    id: ULID. digest: of the challenger's sealed directory, what is decided on. champion_digest:
    the release it was tried against. evidence: JSON. created_record: where the stream was when it
    was made. settled_at: when it stopped awaiting.
    """

    id: str
    stream: str
    episode_id: str
    digest: str
    champion_digest: str
    state: str
    evidence: dict[str, Any]
    created_record: int
    created_at: datetime
    settled_at: datetime | None


def create(
    connection: Connection,
    *,
    stream: str,
    episode_id: str,
    digest: str,
    champion_digest: str,
    evidence: Mapping[str, Any],
    created_record: int,
    now: datetime,
) -> Proposal:
    """A new proposal, awaiting a decision, under a new id; its event is put out to be sent.

    Raises ConflictError if another one of the stream awaits.
    """
    other = awaiting(connection, stream)
    if other is not None:
        raise ConflictError(f"stream {stream!r}: proposal {other.id} awaits a decision")
    identifier = str(ULID.from_datetime(now))
    connection.execute(
        insert(proposals).values(
            id=identifier,
            stream=stream,
            episode_id=episode_id,
            digest=digest,
            champion_digest=champion_digest,
            state="awaiting",
            evidence=evidence,
            created_record=created_record,
            created_at=now,
        )
    )
    proposal = get(connection, identifier)
    _tell(connection, proposal, now)
    return proposal


def get(connection: Connection, id: str) -> Proposal:
    """Raises NotFoundError if there is no such proposal."""
    found = _rows(connection, select(proposals).where(proposals.c.id == id))
    if not found:
        raise NotFoundError(f"no proposal {id!r}")
    return found[0]


def listing(
    connection: Connection, stream: str | None = None, *, state: str | None = None
) -> list[Proposal]:
    """Proposals of one stream or of all, in one state or in any, newest first."""
    query = select(proposals).order_by(proposals.c.created_at.desc(), proposals.c.id.desc())
    if stream is not None:
        query = query.where(proposals.c.stream == stream)
    if state is not None:
        query = query.where(proposals.c.state == state)
    return _rows(connection, query)


def awaiting(connection: Connection, stream: str) -> Proposal | None:
    """The proposal of the stream that awaits a decision."""
    found = listing(connection, stream, state="awaiting")
    return found[0] if found else None


def of_episode(connection: Connection, episode_id: str) -> Proposal:
    """The latest proposal of the episode. Raises NotFoundError if it made none."""
    found = _rows(
        connection,
        select(proposals)
        .where(proposals.c.episode_id == episode_id)
        .order_by(proposals.c.created_at.desc(), proposals.c.id.desc()),
    )
    if not found:
        raise NotFoundError(f"episode {episode_id!r} made no proposal")
    return found[0]


def move(connection: Connection, id: str, *, expected: str, to: str, now: datetime) -> Proposal:
    """Moves the proposal from the state that was seen to another, by compare-and-set; its event is
    put out to be sent.

    Raises ConflictError if it is in another state by now, ValueError if there is no such move,
    NotFoundError if there is no such proposal.
    """
    if (expected, to) not in MOVES:
        raise ValueError(f"no proposal moves from {expected!r} to {to!r}")
    changes: dict[str, Any] = {"state": to}
    if expected == "awaiting":
        changes["settled_at"] = now
    moved = connection.execute(
        update(proposals)
        .where(proposals.c.id == id, proposals.c.state == expected)
        .values(**changes)
    )
    proposal = get(connection, id)
    if moved.rowcount == 0:
        raise ConflictError(f"proposal {id} is {proposal.state} by now, expected {expected}")
    _tell(connection, proposal, now)
    return proposal


def _tell(connection: Connection, proposal: Proposal, now: datetime) -> None:
    """Puts its event out to be sent: what it is about, and where it stands now."""
    outbox.add(
        connection,
        stream=proposal.stream,
        kind="proposal",
        document={
            "schema_version": EVENT_VERSION,
            "id": proposal.id,
            "state": proposal.state,
            "episode": proposal.episode_id,
            "digest": proposal.digest,
            "champion_digest": proposal.champion_digest,
            "record": proposal.created_record,
        },
        now=now,
    )


def _rows(connection: Connection, query: Select[Any]) -> list[Proposal]:
    return [Proposal(**row) for row in connection.execute(query).mappings()]
