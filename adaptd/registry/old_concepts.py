"""The rows of the reservoir: which old concepts are kept, and how well they were answered."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from adaptd.store.rows import put
from adaptd.store.tables import reservoir


@dataclass(frozen=True)
class OldConcept:
    """A sample of the records that one model answered well while it was champion.

    weights: hex sha256 of the model's weights. release: number of the release that it was then.
    offered: records that the sample was drawn from, which lie between first_record and end_record
    - 1; accuracy: of the model on them. records: in the sample. digest: hex sha256 of its file;
    path: of it, relative to the state directory.
    """

    stream: str
    weights: str
    release: int
    first_record: int
    end_record: int
    offered: int
    accuracy: float
    records: int
    digest: str
    path: str
    at: datetime


def keep(connection: Connection, concept: OldConcept) -> None:
    """Adds the concept, or takes the place of what was kept of it. Its file is on disk."""
    values = asdict(concept)
    key = {name: values.pop(name) for name in ("stream", "weights")}
    put(connection, reservoir, key=key, values=values)


def listing(connection: Connection, stream: str) -> list[OldConcept]:
    """The stream's old concepts, the one that ended first before the others."""
    rows = connection.execute(
        select(reservoir)
        .where(reservoir.c.stream == stream)
        .order_by(reservoir.c.end_record, reservoir.c.weights)
    )
    return [OldConcept(**row) for row in rows.mappings()]


def forgotten_points(*, lost: int, gained: int, records: int) -> float:
    """Percentage points of accuracy that a challenger is below the champion on an old concept.

    lost, gained: records that only the champion has right, or only the challenger; records: of all
    that the two were compared on, at least 1.
    """
    return 100 * (lost - gained) / records


def drop(connection: Connection, concept: OldConcept) -> None:
    """Removes its row. The file goes after the transaction has committed."""
    connection.execute(
        delete(reservoir).where(
            reservoir.c.stream == concept.stream, reservoir.c.weights == concept.weights
        )
    )
