"""The queue as a person sees it: each trigger that waits, why, and until when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from adaptd.store.tables import waits


@dataclass(frozen=True)
class Wait:
    """One trigger that waits; a stream has at most one of a kind.

    trigger: JSON of it. since: when it began to wait. reason: what holds it back: episode,
    quiet-hours, cool-down or budget. until: by the wall clock; until_time: by the records' time,
    POSIX seconds; neither where nobody can say.
    """

    stream: str
    kind: str
    trigger: dict[str, Any]
    since: datetime
    reason: str
    until: datetime | None
    until_time: float | None


def show(connection: Connection, stream: str, rows: Iterable[Wait]) -> None:
    """Replaces what is shown of the stream's queue."""
    connection.execute(delete(waits).where(waits.c.stream == stream))
    values = [vars(row) for row in rows]
    if values:
        connection.execute(insert(waits), values)


def listing(connection: Connection, stream: str) -> list[Wait]:
    """What was shown last, by kind."""
    rows = connection.execute(select(waits).where(waits.c.stream == stream).order_by(waits.c.kind))
    return [Wait(**row) for row in rows.mappings()]
