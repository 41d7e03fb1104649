"""When a stream's periodic trigger last ran: the scheduler itself keeps nothing over a restart."""

from datetime import datetime

from sqlalchemy import Connection, select

from adaptd.store.rows import put
from adaptd.store.tables import schedules


def last_run(connection: Connection, stream: str) -> datetime | None:
    """None if it never ran."""
    return connection.scalar(select(schedules.c.last_run).where(schedules.c.stream == stream))


def next_due(connection: Connection, stream: str) -> datetime | None:
    """None if it never ran, or nothing was due when it last did."""
    return connection.scalar(select(schedules.c.next_due).where(schedules.c.stream == stream))


def ran(connection: Connection, stream: str, *, at: datetime, next_due: datetime | None) -> None:
    """Records a run, and when the next one is due."""
    put(
        connection,
        schedules,
        key={"stream": stream},
        values={"last_run": at, "next_due": next_due},
    )
