"""Records that could not be used: every one counted, the latest kept to look at."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from adaptd.store.tables import dead_letter_counts, dead_letters

# Enough to see what is wrong; a stream of nothing but bad records must not fill the disk.
PAYLOAD_BYTES = 4_096
KEPT = 1_000


@dataclass(frozen=True)
class DeadLetter:
    """One record that was set aside.

    reason: a short constant, e.g. `wrong-shape`. detail: what was wrong, for people. partition,
    offset: where it came from. payload: as it came; its first 4 KiB are kept.
    """

    stream: str
    reason: str
    partition: int
    offset: int
    detail: str
    payload: bytes
    at: datetime


def add(connection: Connection, rows: Iterable[DeadLetter]) -> None:
    """Counts the records, keeps them, and lets go of all but the latest 1,000 of each stream.

    Called in the transaction that moves the source positions past them, so that each counts once.
    """
    letters = list(rows)
    for (stream, reason), count in Counter((row.stream, row.reason) for row in letters).items():
        _count(connection, stream, reason, count)
    for stream in {row.stream for row in letters}:
        latest = [row for row in letters if row.stream == stream][-KEPT:]
        connection.execute(
            insert(dead_letters),
            [asdict(replace(row, payload=row.payload[:PAYLOAD_BYTES])) for row in latest],
        )
        _trim(connection, stream)


def counts(connection: Connection, stream: str) -> dict[str, int]:
    """Reason -> records set aside for it since the stream began."""
    rows = connection.execute(
        select(dead_letter_counts.c.reason, dead_letter_counts.c.count)
        .where(dead_letter_counts.c.stream == stream)
        .order_by(dead_letter_counts.c.reason)
    )
    return {row.reason: row[1] for row in rows}


def listing(connection: Connection, stream: str, limit: int = 100) -> list[DeadLetter]:
    """The latest ones that are kept, newest first."""
    rows = connection.execute(
        select(*(column for column in dead_letters.c if column.name != "number"))
        .where(dead_letters.c.stream == stream)
        .order_by(dead_letters.c.number.desc())
        .limit(limit)
    )
    return [DeadLetter(**row) for row in rows.mappings()]


def _count(connection: Connection, stream: str, reason: str, count: int) -> None:
    added = connection.execute(
        update(dead_letter_counts)
        .where(dead_letter_counts.c.stream == stream, dead_letter_counts.c.reason == reason)
        .values(count=dead_letter_counts.c["count"] + count)
    )
    if added.rowcount == 0:
        connection.execute(
            insert(dead_letter_counts).values(stream=stream, reason=reason, count=count)
        )


def _trim(connection: Connection, stream: str) -> None:
    oldest_kept = connection.scalar(
        select(dead_letters.c.number)
        .where(dead_letters.c.stream == stream)
        .order_by(dead_letters.c.number.desc())
        .offset(KEPT - 1)
        .limit(1)
    )
    if oldest_kept is not None:
        connection.execute(
            delete(dead_letters).where(
                dead_letters.c.stream == stream, dead_letters.c.number < oldest_kept
            )
        )
