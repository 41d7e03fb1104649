"""Architecture parameters that live on: counts of a release, the prior of the next reopening."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from adaptd.store.rows import put
from adaptd.store.tables import concentrations


def load(connection: Connection, release_digest: str) -> dict[str, dict[str, float]]:
    """Edge or group -> operation -> count, as kept with the release; empty if nothing is."""
    counts = connection.scalar(
        select(concentrations.c.counts).where(concentrations.c.release_digest == release_digest)
    )
    return {
        group: {operation: float(count) for operation, count in operations.items()}
        for group, operations in (counts or {}).items()
    }


def save(
    connection: Connection,
    *,
    stream: str,
    release_digest: str,
    counts: Mapping[str, Mapping[str, float]],
    now: datetime,
) -> None:
    """Replaces what is kept with the release. The release is recorded before."""
    put(
        connection,
        concentrations,
        key={"release_digest": release_digest},
        values={"stream": stream, "counts": counts, "saved_at": now},
    )
