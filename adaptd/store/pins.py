"""Pins: segments that have left the window and are kept for an episode that may be replayed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select

from adaptd.store.segments import SegmentRow
from adaptd.store.tables import pins, segments


@dataclass(frozen=True)
class Wanted:
    """Records `first` to `end` - 1 of an episode's trial; end None: all that are still to come."""

    episode_id: str
    first: int
    end: int | None

    def covers(self, row: SegmentRow) -> bool:
        """Whether one of the records lies in the segment."""
        begins_before = self.end is None or row.first_record < self.end
        return begins_before and row.first_record + row.records > self.first


def keep(connection: Connection, leaving: Iterable[SegmentRow], wanted: Iterable[Wanted]) -> None:
    """Pins, of the segments that leave the window, those whose records are wanted."""
    wanted = list(wanted)
    for row in leaving:
        # Two trials of one episode may lie in one segment.
        for episode_id in {want.episode_id for want in wanted if want.covers(row)}:
            connection.execute(insert(pins).values(episode_id=episode_id, **asdict(row)))


def drop(connection: Connection, stream: str, *, keep: Collection[str]) -> list[SegmentRow]:
    """Takes the pins of all other episodes off, and returns what was pinned.

    Their files go after the transaction has committed, where `unnamed` says that nobody else needs
    them.
    """
    is_old = (pins.c.stream == stream) & pins.c.episode_id.not_in(list(keep))
    dropped = _rows(connection, select(pins).where(is_old).order_by(pins.c.first_record))
    if dropped:
        connection.execute(delete(pins).where(is_old))
    return dropped


def of_episode(connection: Connection, episode_id: str) -> list[SegmentRow]:
    """What is pinned for the episode, in the order of its records."""
    query = select(pins).where(pins.c.episode_id == episode_id).order_by(pins.c.first_record)
    return _rows(connection, query)


def paths(connection: Connection, stream: str) -> set[str]:
    """The pinned files of a stream, relative to the state directory."""
    return set(connection.scalars(select(pins.c.path).where(pins.c.stream == stream)))


def unnamed(connection: Connection, rows: Sequence[SegmentRow]) -> list[SegmentRow]:
    """Those of the rows whose file neither the window nor a pin names."""
    return [
        row
        for row in rows
        if connection.scalar(select(segments.c.path).where(segments.c.path == row.path)) is None
        and connection.scalar(select(pins.c.path).where(pins.c.path == row.path).limit(1)) is None
    ]


def _rows(connection: Connection, query: Select[Any]) -> list[SegmentRow]:
    return [
        SegmentRow(**{name: value for name, value in row.items() if name != "episode_id"})
        for row in connection.execute(query).mappings()
    ]
