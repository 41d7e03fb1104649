"""Events that are committed with what they tell of and sent later: at least once, in order."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update
from ulid import ULID

from adaptd.store.tables import outbox


@dataclass(frozen=True)
class Event:
    """One thing that happened. Receivers drop an `id` they have seen.

    id: ULID. kind: e.g. `release.published`. document: JSON, the event's own data.
    """

    id: str
    stream: str
    kind: str
    document: dict[str, Any]
    created_at: datetime


def add(
    connection: Connection, *, stream: str, kind: str, document: Mapping[str, Any], now: datetime
) -> str:
    """Puts an event out to be sent, if the transaction commits. Returns its id."""
    identifier = str(ULID.from_datetime(now))
    connection.execute(
        insert(outbox).values(
            id=identifier, stream=stream, kind=kind, document=document, created_at=now
        )
    )
    return identifier


def pending(
    connection: Connection, *, limit: int = 100, streams: Collection[str] | None = None
) -> list[Event]:
    """The oldest events that are not marked as sent, in the order they were added.

    streams: only theirs, so that what nobody sends does not fill the limit; None: of all.
    """
    query = (
        select(outbox.c.id, outbox.c.stream, outbox.c.kind, outbox.c.document, outbox.c.created_at)
        .where(outbox.c.sent_at.is_(None))
        .order_by(outbox.c.number)
        .limit(limit)
    )
    if streams is not None:
        query = query.where(outbox.c.stream.in_(streams))
    return [Event(**row) for row in connection.execute(query).mappings()]


def mark_sent(connection: Connection, ids: Iterable[str], *, now: datetime) -> None:
    """Called once the receiver has acknowledged them. A second time changes nothing."""
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(list(ids)), outbox.c.sent_at.is_(None))
        .values(sent_at=now)
    )
