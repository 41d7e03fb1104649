"""The one write that tables with a row per stream need."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, and_, insert, update


def put(
    connection: Connection, table: Table, *, key: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Inserts the row of that key, or sets these columns of it. Other columns keep what they hold.

    An UPDATE first, because replacing a row would delete it, and with it what refers to it.
    """
    condition = and_(*(table.c[name] == value for name, value in key.items()))
    if connection.execute(update(table).where(condition).values(**values)).rowcount == 0:
        connection.execute(insert(table).values(**key, **values))
