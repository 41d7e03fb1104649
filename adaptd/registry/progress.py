"""How far the running work of a stream is: one row, replaced at most once a second."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from adaptd.store.rows import put
from adaptd.store.tables import progress


def report(
    connection: Connection,
    *,
    stream: str,
    episode_id: str | None,
    document: Mapping[str, Any],
    now: datetime,
) -> None:
    """Replaces the stream's progress. episode_id: None while release 1 is trained."""
    put(
        connection,
        progress,
        key={"stream": stream},
        values={"episode_id": episode_id, "document": document, "at": now},
    )


def latest(connection: Connection, stream: str) -> dict[str, Any] | None:
    """The reported document, with `episode_id` and `at` (ISO 8601) beside its own keys; or None."""
    row = connection.execute(select(progress).where(progress.c.stream == stream)).one_or_none()
    if row is None:
        return None
    return {**row.document, "episode_id": row.episode_id, "at": row.at.isoformat()}


def clear(connection: Connection, stream: str) -> None:
    """Nothing runs any more."""
    connection.execute(delete(progress).where(progress.c.stream == stream))
