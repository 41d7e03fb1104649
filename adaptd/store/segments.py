"""The rows of the window's files: a file that no row names does not count."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, insert, select

from adaptd.store.tables import segments


@dataclass(frozen=True)
class SegmentRow:
    """Records `first_record` to `first_record + records - 1` of a stream, in one file.

    digest: hex sha256 of the file. path: relative to the state directory.
    """

    stream: str
    first_record: int
    records: int
    digest: str
    path: str


def add(connection: Connection, row: SegmentRow) -> None:
    """Called once the file is on disk. Raises ValueError if it begins before the last one ends."""
    if row.records < 1:
        raise ValueError(f"a segment holds at least one record, got {row.records}")
    last = connection.execute(
        select(segments.c.first_record, segments.c.records)
        .where(segments.c.stream == row.stream)
        .order_by(segments.c.first_record.desc())
        .limit(1)
    ).one_or_none()
    if last is not None and row.first_record < last.first_record + last.records:
        raise ValueError(
            f"stream {row.stream!r}: segments reach to record {last.first_record + last.records}, "
            f"the new one begins at {row.first_record}"
        )
    connection.execute(insert(segments).values(**asdict(row)))


def listing(connection: Connection, stream: str) -> list[SegmentRow]:
    """The stream's segments in the order of their records."""
    rows = connection.execute(
        select(segments).where(segments.c.stream == stream).order_by(segments.c.first_record)
    )
    return [SegmentRow(**row) for row in rows.mappings()]


def streams(connection: Connection) -> list[str]:
    """The streams that have segments."""
    return list(
        connection.scalars(select(segments.c.stream).distinct().order_by(segments.c.stream))
    )


def drop_before(connection: Connection, stream: str, record: int) -> list[SegmentRow]:
    """Removes the rows that lie wholly before the record and returns them.

    Their files go after the transaction has committed: a kill in between leaves a file too many,
    never a row without its file. Two rows may name one file (equal content): look first.
    """
    is_before = (segments.c.stream == stream) & (
        segments.c.first_record + segments.c.records <= record
    )
    rows = connection.execute(select(segments).where(is_before).order_by(segments.c.first_record))
    dropped = [SegmentRow(**row) for row in rows.mappings()]
    connection.execute(delete(segments).where(is_before))
    return dropped
