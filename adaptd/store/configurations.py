"""Accepted configurations: immutable, numbered versions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from adaptd.store.tables import configurations


def accept(connection: Connection, document: Mapping[str, Any], *, now: datetime) -> int:
    """The number of this configuration, from 1: a new one, or the one it was first given.

    document: plain JSON values. Equal documents, in whatever order their keys are, have one number.
    """
    known = connection.scalar(
        select(configurations.c.number).where(configurations.c.document == document)
    )
    if known is not None:
        return int(known)
    number = int(connection.scalar(select(func.max(configurations.c.number))) or 0) + 1
    connection.execute(
        insert(configurations).values(number=number, document=document, accepted_at=now)
    )
    return number
