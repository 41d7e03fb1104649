"""Alarms that the monitor raised."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select
from ulid import ULID

from adaptd.store import outbox
from adaptd.store.tables import alarms

EVENT_VERSION = 1


@dataclass(frozen=True)
class AlarmRow:
    """One alarm.

    id: ULID. record: at which it was raised. since_record: from which the change is thought to be.
    statistic: of the detector, in its own unit.
    """

    id: str
    stream: str
    signal: str
    record: int
    since_record: int
    statistic: float
    at: datetime


def add(
    connection: Connection,
    *,
    stream: str,
    signal: str,
    record: int,
    since_record: int,
    statistic: float,
    now: datetime,
) -> AlarmRow:
    """Records an alarm under a new id, and puts its event out to be sent."""
    row = AlarmRow(
        id=str(ULID.from_datetime(now)),
        stream=stream,
        signal=signal,
        record=record,
        since_record=since_record,
        statistic=statistic,
        at=now,
    )
    connection.execute(insert(alarms).values(**asdict(row)))
    outbox.add(
        connection,
        stream=stream,
        kind="drift",
        document={
            "schema_version": EVENT_VERSION,
            "id": row.id,
            "signal": signal,
            "record": record,
            "since_record": since_record,
            "statistic": statistic,
        },
        now=now,
    )
    return row


def listing(connection: Connection, stream: str, limit: int = 100) -> list[AlarmRow]:
    """The stream's latest alarms, newest first."""
    rows = connection.execute(
        select(alarms)
        .where(alarms.c.stream == stream)
        .order_by(alarms.c.record.desc(), alarms.c.id.desc())
        .limit(limit)
    )
    return [AlarmRow(**row) for row in rows.mappings()]
