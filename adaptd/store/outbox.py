"""Events that are committed with what they tell of and sent later: at least once, in order."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from ulid import ULID

from adaptd.store.tables import outbox

# Of a stream. Enough to look up what was told, and the file does not grow without end.
KEPT = 1_000


@dataclass(frozen=True)
class Event:
    """One thing that happened. Receivers drop an `id` they have seen.

    id: ULID. kind: what happened, e.g. `release`. document: JSON, the event's own data.
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
    """Called once the receiver has acknowledged them. A second time changes nothing.

    Lets go of all but the latest 1,000 sent ones of each of their streams.
    """
    sent = list(ids)
    connection.execute(
        update(outbox).where(outbox.c.id.in_(sent), outbox.c.sent_at.is_(None)).values(sent_at=now)
    )
    for stream in connection.scalars(
        select(outbox.c.stream).where(outbox.c.id.in_(sent)).distinct()
    ).all():
        _trim(connection, stream)


def _trim(connection: Connection, stream: str) -> None:
    is_sent = (outbox.c.stream == stream) & outbox.c.sent_at.is_not(None)
    latest_dropped = connection.scalar(
        select(outbox.c.number)
        .where(is_sent)
        .order_by(outbox.c.number.desc())
        .offset(KEPT)
        .limit(1)
    )
    if latest_dropped is not None:
        connection.execute(delete(outbox).where(is_sent, outbox.c.number <= latest_dropped))
