"""When a stream's periodic trigger last ran: the scheduler itself keeps nothing over a restart."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from adaptd.store.rows import put
from adaptd.store.tables import schedules


def last_run(connection: Connection, stream: str) -> datetime | None:
    """When its interval last began: at its last run, or where it was anchored; None before both."""
    return connection.scalar(select(schedules.c.last_run).where(schedules.c.stream == stream))


def anchor(connection: Connection, stream: str, *, at: datetime, next_due: datetime) -> None:
    """Lets the first interval begin. Called once for a stream, while `last_run` is None.

    An interval that began anew at each start would never end where starts are more frequent.
    """
    connection.execute(insert(schedules).values(stream=stream, last_run=at, next_due=next_due))


def ran(connection: Connection, stream: str, *, at: datetime, next_due: datetime | None) -> None:
    """Records a run, and when the next one is due."""
    put(
        connection,
        schedules,
        key={"stream": stream},
        values={"last_run": at, "next_due": next_due},
    )
