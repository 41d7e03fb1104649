"""Alarms that the monitor raised."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, insert, select
from ulid import ULID

from adaptd.store import outbox
from adaptd.store.tables import alarms

EVENT_VERSION = 1

# Records by their labels: those that trainings, trials and episodes count. Or as they came.
Numbering = Literal["labelled", "arrived"]


@dataclass(frozen=True)
class AlarmRow:
    """One alarm.

    id: ULID. record: at which it was raised. since_record: from which the change is thought to be.
    statistic: of the detector, in its own unit. numbering: what both numbers count. They differ
    where labels come later, and nothing tells which labelled record one that came will be.
    """

    id: str
    stream: str
    signal: str
    record: int
    since_record: int
    statistic: float
    at: datetime
    numbering: Numbering = "labelled"


def add(
    connection: Connection,
    *,
    stream: str,
    signal: str,
    record: int,
    since_record: int,
    statistic: float,
    now: datetime,
    numbering: Numbering = "labelled",
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
        numbering=numbering,
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
            "numbering": numbering,
        },
        now=now,
    )
    return row


def listing(connection: Connection, stream: str, limit: int = 100) -> list[AlarmRow]:
    """The stream's latest alarms, newest first."""
    rows = connection.execute(
        select(alarms)
        .where(alarms.c.stream == stream)
        .order_by(alarms.c.at.desc(), alarms.c.record.desc(), alarms.c.id.desc())
        .limit(limit)
    )
    return [AlarmRow(**row) for row in rows.mappings()]
