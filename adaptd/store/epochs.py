"""Ownership of a stream: a number that only grows. Who holds an older one must stop writing."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from adaptd.errors import StaleEpochError
from adaptd.store.rows import put
from adaptd.store.tables import epochs


@dataclass(frozen=True)
class Owner:
    """Who works on a stream, or did last. name: as given to `acquire`."""

    name: str
    epoch: int
    since: datetime


def acquire(connection: Connection, *, stream: str, owner: str, now: datetime) -> int:
    """Makes `owner` the owner of the stream and returns its epoch, from 1. Earlier ones are stale.

    owner: for people, e.g. host and pid.
    """
    held = connection.scalar(select(epochs.c.epoch).where(epochs.c.stream == stream))
    epoch = (held or 0) + 1
    put(
        connection,
        epochs,
        key={"stream": stream},
        values={"epoch": epoch, "owner": owner, "acquired_at": now},
    )
    return epoch


def owner(connection: Connection, stream: str) -> Owner | None:
    """The latest owner of the stream; None where it never had one."""
    row = connection.execute(
        select(epochs.c.owner, epochs.c.epoch, epochs.c.acquired_at).where(
            epochs.c.stream == stream
        )
    ).one_or_none()
    return None if row is None else Owner(row.owner, row.epoch, row.acquired_at)


def verify(connection: Connection, *, stream: str, epoch: int) -> None:
    """Called first in each write of an owner. Raises StaleEpochError naming who took over."""
    row = connection.execute(
        select(epochs.c.epoch, epochs.c.owner).where(epochs.c.stream == stream)
    ).one_or_none()
    if row is None:
        raise StaleEpochError(f"stream {stream!r}: epoch {epoch} was never acquired in this store")
    if row.epoch != epoch:
        raise StaleEpochError(
            f"stream {stream!r}: epoch {epoch} is not the current one, {row.epoch} of {row.owner}: "
            "this process no longer owns the stream"
        )
