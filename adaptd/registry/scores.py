"""How the champion did, block by block."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from adaptd.store.tables import scores

# Blocks of a stream: more than any page shows, and a stream that never ends does not fill the disk.
KEPT = 20_000

# Finding the oldest of those to keep walks over all of them, so it is not done for each block.
TRIM_EVERY = 100


@dataclass(frozen=True)
class BlockScore:
    """One block of records, scored before their labels were used.

    block: its number. hits: right predictions among `records`. loss: mean log loss, clipped.
    is_broken: whether some of its records came while a sensor was broken, as is known by now.
    """

    stream: str
    block: int
    first_record: int
    records: int
    hits: int
    loss: float
    release_digest: str
    at: datetime
    is_broken: bool = False


def add(connection: Connection, rows: Iterable[BlockScore]) -> None:
    """Called in the transaction that saves the checkpoint, so that each block is there once.

    Lets go, now and then, of all but the latest 20,000 of each stream.
    """
    values = [asdict(row) for row in rows]
    if values:
        connection.execute(insert(scores), values)
    # Numbers go up by one within a release, so this comes round without a counter.
    for stream in {row["stream"] for row in values if row["block"] % TRIM_EVERY == 0}:
        _trim(connection, stream)


def mark_broken(connection: Connection, stream: str, *, first: int, end: int) -> None:
    """Blocks of the records `first` to `end` - 1 came while a sensor was broken."""
    connection.execute(
        update(scores)
        .where(
            scores.c.stream == stream,
            scores.c.first_record < end,
            scores.c.first_record + scores.c.records > first,
        )
        .values(is_broken=True)
    )


def series(connection: Connection, stream: str, *, limit: int = 500) -> list[BlockScore]:
    """The stream's latest blocks, oldest first."""
    rows = connection.execute(
        select(scores)
        .where(scores.c.stream == stream)
        .order_by(scores.c.first_record.desc())
        .limit(limit)
    ).mappings()
    return [BlockScore(**row) for row in rows][::-1]


def accuracy(connection: Connection, stream: str, *, records: int) -> float | None:
    """Fraction of hits over the fewest latest blocks that hold at least so many records.

    Over all blocks if they hold fewer; None if there are none.
    """
    newest_first = scores.c.first_record.desc()
    later = func.coalesce(
        func.sum(scores.c.records).over(order_by=newest_first, rows=(None, -1)), 0
    )
    blocks = (
        select(scores.c.hits, scores.c.records, later.label("later"))
        .where(scores.c.stream == stream)
        # No block is empty, so this many hold enough, and the sum need not run over all there are.
        .order_by(newest_first)
        .limit(records)
        .subquery()
    )
    hits, seen = connection.execute(
        select(func.sum(blocks.c.hits), func.sum(blocks.c.records)).where(blocks.c.later < records)
    ).one()
    return hits / seen if seen else None


def accuracy_before(
    connection: Connection, stream: str, record: int, *, release_digest: str, records: int
) -> float | None:
    """Fraction of hits of a release over its latest blocks that end before the record, without
    those of a broken sensor: as many as hold so many records, or all; None if there are none."""
    rows = connection.execute(
        select(scores.c.hits, scores.c.records)
        .where(
            scores.c.stream == stream,
            scores.c.release_digest == release_digest,
            scores.c.first_record + scores.c.records <= record,
            scores.c.is_broken.is_(False),
        )
        .order_by(scores.c.first_record.desc())
        .limit(records)
    )
    hits = seen = 0
    for row in rows:
        hits, seen = hits + row.hits, seen + row.records
        if seen >= records:
            break
    return hits / seen if seen else None


def between(
    connection: Connection, stream: str, first: int, end: int, *, release_digest: str
) -> list[BlockScore]:
    """The blocks of a release that lie wholly within records `first` to `end` - 1, oldest first."""
    rows = connection.execute(
        select(scores)
        .where(
            scores.c.stream == stream,
            scores.c.release_digest == release_digest,
            scores.c.first_record >= first,
            scores.c.first_record + scores.c.records <= end,
        )
        .order_by(scores.c.first_record)
    ).mappings()
    return [BlockScore(**row) for row in rows]


def _trim(connection: Connection, stream: str) -> None:
    is_of_stream = scores.c.stream == stream
    latest_dropped = connection.scalar(
        select(scores.c.first_record)
        .where(is_of_stream)
        .order_by(scores.c.first_record.desc())
        .offset(KEPT)
        .limit(1)
    )
    if latest_dropped is not None:
        connection.execute(
            delete(scores).where(is_of_stream, scores.c.first_record <= latest_dropped)
        )
