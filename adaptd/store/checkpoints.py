"""What a stream goes on from: its state and its source positions, committed together."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

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


def load(connection: Connection, stream: str) -> Checkpoint | None:
    """The stream's latest checkpoint; None before the first."""
    row = connection.execute(
        select(checkpoints).where(checkpoints.c.stream == stream)
    ).one_or_none()
    if row is None:
        return None
    return Checkpoint(
        stream=row.stream,
        document=row.document,
        positions={int(key): value for key, value in row.positions.items()},
        next_record=row.next_record,
    )
