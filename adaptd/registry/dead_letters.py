"""Records that could not be used: every one counted and delivered, the latest kept to look at."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, delete, func, insert, select, update

from adaptd.errors import DeliveryBehind
from adaptd.store.tables import dead_letter_counts, dead_letters

# Of a record that is delivered: enough to see what is wrong.
PAYLOAD_BYTES = 4_096
# Of a stream. A stream of nothing but bad records must not fill the disk.
KEPT = 1_000
# Of a stream that may wait for delivery. Beyond it the stream itself waits.
MOST_WAITING = 10_000


@dataclass(frozen=True)
class DeadLetter:
    """One record that was set aside.

    reason: a short constant, e.g. `wrong-shape`. detail: what was wrong, for people. partition,
    offset: where it came from. payload: as it came; once delivered, its first 4 KiB are kept.
    origin: whether that is the stream's records or its labels.
    """

    stream: str
    reason: str
    partition: int
    offset: int
    detail: str
    payload: bytes
    at: datetime
    origin: Literal["records", "labels"] = "records"


def add(connection: Connection, rows: Iterable[DeadLetter]) -> None:
    """Counts the records and keeps them for delivery.

    Called in the transaction that moves the source positions past them, so that each counts once.
    Raises DeliveryBehind where 10,000 of a stream wait already: what cannot be delivered must not
    fill the disk, nor be lost. So a transaction brings far fewer than that.
    """
    letters = list(rows)
    for stream in {row.stream for row in letters}:
        waiting = connection.scalar(
            select(func.count())
            .select_from(dead_letters)
            .where(dead_letters.c.stream == stream, dead_letters.c.sent_at.is_(None))
        )
        if waiting and waiting >= MOST_WAITING:
            raise DeliveryBehind(
                f"{waiting} records of stream {stream} that were set aside wait for delivery, "
                f"{MOST_WAITING} may"
            )
    for (stream, reason), count in Counter((row.stream, row.reason) for row in letters).items():
        _count(connection, stream, reason, count)
    if letters:
        connection.execute(insert(dead_letters), [asdict(row) for row in letters])


def pending(
    connection: Connection, stream: str, limit: int = 500, *, maximum_bytes: int = 4_000_000
) -> list[tuple[int, DeadLetter]]:
    """The oldest that are not delivered, in order, each with the number that `mark_sent` takes.

    At least one where there are any, and beyond it no more than `maximum_bytes` of payload.
    """
    rows = connection.execute(
        select(*_COLUMNS, dead_letters.c.number)
        .where(dead_letters.c.stream == stream, dead_letters.c.sent_at.is_(None))
        .order_by(dead_letters.c.number)
        .limit(limit)
    )
    found: list[tuple[int, DeadLetter]] = []
    size = 0
    for row in rows.mappings():
        size += len(row["payload"])
        if found and size > maximum_bytes:
            break
        found.append((row["number"], _letter(dict(row))))
    return found


def mark_sent(connection: Connection, stream: str, *, up_to: int, now: datetime) -> None:
    """Called once the receiver has all of a stream up to a number. A second time changes nothing.

    Cuts what is long and lets go of all but the latest 1,000 of them.
    """
    connection.execute(
        update(dead_letters)
        .where(
            dead_letters.c.stream == stream,
            dead_letters.c.sent_at.is_(None),
            dead_letters.c.number <= up_to,
        )
        .values(
            sent_at=now,
            # Of no bytes SQLite's substr gives NULL.
            payload=func.coalesce(
                func.substr(dead_letters.c.payload, 1, PAYLOAD_BYTES), dead_letters.c.payload
            ),
        )
    )
    oldest_kept = connection.scalar(
        select(dead_letters.c.number)
        .where(dead_letters.c.stream == stream, dead_letters.c.sent_at.is_not(None))
        .order_by(dead_letters.c.number.desc())
        .offset(KEPT - 1)
        .limit(1)
    )
    if oldest_kept is not None:
        connection.execute(
            delete(dead_letters).where(
                dead_letters.c.stream == stream,
                dead_letters.c.sent_at.is_not(None),
                dead_letters.c.number < oldest_kept,
            )
        )


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
        select(*_COLUMNS)
        .where(dead_letters.c.stream == stream)
        .order_by(dead_letters.c.number.desc())
        .limit(limit)
    )
    return [_letter(dict(row)) for row in rows.mappings()]


_COLUMNS = [dead_letters.c[name] for name in DeadLetter.__dataclass_fields__]


def _letter(row: dict[str, object]) -> DeadLetter:
    row.pop("number", None)
    return DeadLetter(**row)  # type: ignore[arg-type]


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
