"""Watches: a fresh release beside the one that it replaced, until something ends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from adaptd.errors import NotFoundError
from adaptd.store import outbox
from adaptd.store.tables import watches

EVENT_VERSION = 1

# kept: not proved worse within the records there were. rolled-back: proved worse, and its
# predecessor was released again. drift: an alarm has come, and since then both are measured by
# another concept. superseded: the next release was published. ended: by a person, or by the
# configuration. damaged: the predecessor's files are not as they were released.
OUTCOMES = ("kept", "rolled-back", "drift", "superseded", "ended", "damaged")


@dataclass(frozen=True)
class Watch:
    """One watch. At most one of a stream runs.

    evidence: JSON of the test as the latest checkpoint saw it. outcome: one of OUTCOMES, once it
    has ended; reason: why, for people. rollback_digest: the release that its predecessor came back
    as.
    """

    release_digest: str
    stream: str
    predecessor_digest: str
    evidence: dict[str, Any]
    outcome: str | None
    reason: str | None
    rollback_digest: str | None
    begun_at: datetime
    ended_at: datetime | None


def begin(
    connection: Connection,
    *,
    stream: str,
    release_digest: str,
    predecessor_digest: str,
    evidence: Mapping[str, Any],
    now: datetime,
) -> None:
    """A watch that runs from now on; its event is put out to be sent. Raises IntegrityError if the
    release has had one, or another one of the stream runs."""
    connection.execute(
        insert(watches).values(
            release_digest=release_digest,
            stream=stream,
            predecessor_digest=predecessor_digest,
            evidence=evidence,
            begun_at=now,
        )
    )
    _tell(connection, get(connection, release_digest), now)


def report(connection: Connection, release_digest: str, *, evidence: Mapping[str, Any]) -> None:
    """How far it is. Changes nothing once it has ended."""
    connection.execute(
        update(watches)
        .where(watches.c.release_digest == release_digest, watches.c.outcome.is_(None))
        .values(evidence=evidence)
    )


def end(
    connection: Connection,
    release_digest: str,
    *,
    outcome: str,
    reason: str,
    now: datetime,
    evidence: Mapping[str, Any] | None = None,
    rollback_digest: str | None = None,
) -> bool:
    """Ends a watch that runs; its event is put out to be sent. False, with nothing changed, where
    it has ended already.

    evidence: as it is now; None leaves what was reported last. Raises ValueError for an outcome
    that is none, NotFoundError if there is no such watch.
    """
    if outcome not in OUTCOMES:
        raise ValueError(f"expected one of {OUTCOMES}, got {outcome!r}")
    changes: dict[str, Any] = {} if evidence is None else {"evidence": evidence}
    ended = connection.execute(
        update(watches)
        .where(watches.c.release_digest == release_digest, watches.c.outcome.is_(None))
        .values(
            outcome=outcome,
            reason=reason,
            rollback_digest=rollback_digest,
            ended_at=now,
            **changes,
        )
    )
    watch = get(connection, release_digest)
    if ended.rowcount == 0:
        return False
    _tell(connection, watch, now)
    return True


def get(connection: Connection, release_digest: str) -> Watch:
    """Raises NotFoundError if the release was never watched."""
    found = find(connection, release_digest)
    if found is None:
        raise NotFoundError(f"release {release_digest!r} was never watched")
    return found


def find(connection: Connection, release_digest: str) -> Watch | None:
    """The watch of a release; None if it had none."""
    found = _rows(connection, select(watches).where(watches.c.release_digest == release_digest))
    return found[0] if found else None


def running(connection: Connection, stream: str) -> Watch | None:
    """The watch of the stream that has not ended."""
    found = _rows(
        connection, select(watches).where(watches.c.stream == stream, watches.c.outcome.is_(None))
    )
    return found[0] if found else None


def listing(connection: Connection, stream: str | None = None) -> list[Watch]:
    """Watches of one stream or of all, newest first."""
    query = select(watches).order_by(watches.c.begun_at.desc(), watches.c.release_digest)
    if stream is not None:
        query = query.where(watches.c.stream == stream)
    return _rows(connection, query)


def ended_with(connection: Connection, rollback_digest: str) -> Watch | None:
    """The watch that ended with this release, if the release is a predecessor brought back."""
    found = _rows(connection, select(watches).where(watches.c.rollback_digest == rollback_digest))
    return found[0] if found else None


def _tell(connection: Connection, watch: Watch, now: datetime) -> None:
    """Puts its event out to be sent: what it is about, and where it stands now."""
    evidence = watch.evidence
    outbox.add(
        connection,
        stream=watch.stream,
        kind="watch",
        document={
            "schema_version": EVENT_VERSION,
            "release": watch.release_digest,
            "predecessor": watch.predecessor_digest,
            "state": watch.outcome or "watching",
            "reason": watch.reason,
            "rollback": watch.rollback_digest,
            **{key: evidence[key] for key in ("records", "accuracy", "log_e_value", "alpha")},
        },
        now=now,
    )


def _rows(connection: Connection, query: Select[Any]) -> list[Watch]:
    return [Watch(**row) for row in connection.execute(query).mappings()]
