"""What a stream goes on from: its state and its source positions, committed together."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from adaptd.store.rows import put
from adaptd.store.tables import checkpoints


@dataclass(frozen=True)
class Checkpoint:
    """The state of one stream after the records before `next_record`.

    document: JSON of observer, trial and the like. positions: partition -> offset of the record
    to be read next.
    """

    stream: str
    document: dict[str, Any]
    positions: dict[int, int]
    next_record: int


def save(connection: Connection, checkpoint: Checkpoint, *, now: datetime) -> None:
    """Replaces the stream's checkpoint."""
    put(
        connection,
        checkpoints,
        key={"stream": checkpoint.stream},
        values={
            "document": checkpoint.document,
            "positions": {str(key): value for key, value in checkpoint.positions.items()},
            "next_record": checkpoint.next_record,
            "saved_at": now,
        },
    )


def show(connection: Connection, stream: str, shown: dict[str, Any] | None) -> None:
    """Keeps with the stream's checkpoint, in its transaction, what people see of it: small, beside
    a document that nobody but the daemon has to read."""
    connection.execute(
        update(checkpoints).where(checkpoints.c.stream == stream).values(shown=shown)
    )


def shown(connection: Connection, stream: str) -> dict[str, Any] | None:
    """What `show` was given with the latest checkpoint; None for nothing."""
    found: dict[str, Any] | None = connection.scalar(
        select(checkpoints.c.shown).where(checkpoints.c.stream == stream)
    )
    return found


def next_record(connection: Connection, stream: str) -> int:
    """As of the latest checkpoint; 0 before the first."""
    found = connection.scalar(
        select(checkpoints.c.next_record).where(checkpoints.c.stream == stream)
    )
    return int(found or 0)


def load(connection: Connection, stream: str) -> Checkpoint | None:
    """The stream's latest checkpoint; None before the first."""
    columns = checkpoints.c
    row = connection.execute(
        select(columns.stream, columns.document, columns.positions, columns.next_record).where(
            checkpoints.c.stream == stream
        )
    ).one_or_none()
    if row is None:
        return None
    return Checkpoint(
        stream=row.stream,
        document=row.document,
        positions={int(key): value for key, value in row.positions.items()},
        next_record=row.next_record,
    )
