"""Processor seconds that a stream's workers have used, by the day."""

from datetime import UTC, date, datetime

from sqlalchemy import Connection, func, insert, select, update

from adaptd.store.tables import usage


def day_of(now: datetime) -> date:
    """The day that use is counted on, UTC."""
    return now.astimezone(UTC).date()


def add(connection: Connection, *, stream: str, day: date, cpu_seconds: float) -> None:
    """Counts so many more seconds."""
    changed = connection.execute(
        update(usage)
        .where(usage.c.stream == stream, usage.c.day == day.isoformat())
        .values(cpu_seconds=usage.c.cpu_seconds + cpu_seconds)
    )
    if changed.rowcount == 0:
        connection.execute(
            insert(usage).values(stream=stream, day=day.isoformat(), cpu_seconds=cpu_seconds)
        )


def since(connection: Connection, *, stream: str, day: date) -> float:
    """What the stream's workers have used on that day and later."""
    found = connection.scalar(
        select(func.sum(usage.c.cpu_seconds)).where(
            usage.c.stream == stream, usage.c.day >= day.isoformat()
        )
    )
    return float(found or 0.0)


def of_day(connection: Connection, *, stream: str, day: date) -> float:
    """What the stream's workers have used on that day."""
    found = connection.scalar(
        select(usage.c.cpu_seconds).where(usage.c.stream == stream, usage.c.day == day.isoformat())
    )
    return float(found or 0.0)
