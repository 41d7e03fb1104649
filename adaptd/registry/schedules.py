"""When a stream's periodic trigger last ran, and when it is due: the scheduler itself keeps nothing
over a restart."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from adaptd.store.rows import put
from adaptd.store.tables import schedules


@dataclass(frozen=True)
class ScheduleRow:
    """last_run: None before the first. next_due: None where it never comes due again; past while a
    run of it waits. timing: what it was reckoned from; None in rows of an earlier version."""

    stream: str
    last_run: datetime | None
    next_due: datetime | None
    timing: str | None


def get(connection: Connection, stream: str) -> ScheduleRow | None:
    """None for a stream that has no schedule."""
    row = (
        connection.execute(select(schedules).where(schedules.c.stream == stream))
        .mappings()
        .one_or_none()
    )
    return None if row is None else ScheduleRow(**row)


def expect(connection: Connection, stream: str, *, next_due: datetime | None, timing: str) -> None:
    """Records when the schedule comes due; its last run stays."""
    put(
        connection,
        schedules,
        key={"stream": stream},
        values={"next_due": next_due, "timing": timing},
    )


def ran(connection: Connection, stream: str, *, at: datetime, next_due: datetime | None) -> None:
    """Records a run, and when the next one is due."""
    put(
        connection,
        schedules,
        key={"stream": stream},
        values={"last_run": at, "next_due": next_due},
    )


def put_off(connection: Connection, stream: str, *, next_due: datetime | None) -> None:
    """The run that was due is not needed any more; the next one is due then."""
    put(connection, schedules, key={"stream": stream}, values={"next_due": next_due})


def remove(connection: Connection, stream: str) -> None:
    """The stream has no schedule any more."""
    connection.execute(delete(schedules).where(schedules.c.stream == stream))
