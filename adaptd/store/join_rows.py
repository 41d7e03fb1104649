"""What of a stream waits for its other half: records for labels, labels for records."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from adaptd.store.tables import join_rows

# "waiting": a record without its label. "early": a label without its record. "met": both came; the
# id is remembered, to know what comes twice.
JoinState = Literal["waiting", "early", "met"]

# Ids in one statement: SQLite takes no more than 32,766 variables.
_IDS = 5_000


@dataclass(frozen=True, slots=True)
class JoinRow:
    """One id. number: in the order of arrival. time: POSIX seconds, of the record or, without it,
    of the label. since: what the records' time had come to when it came. target: the class's place,
    of a label that is there.

    Of a record that waits: partition, offset, where it came from; ingested_at, POSIX seconds; x,
    float32 as bytes; predictors, who predicted it; predictions, float32 [predictors, classes] as
    bytes; weight, None where records bring none.
    """

    id: str
    number: int
    state: JoinState
    time: float
    since: float
    target: int | None = None
    partition: int | None = None
    offset: int | None = None
    ingested_at: float | None = None
    x: bytes | None = None
    predictors: tuple[str, ...] = ()
    predictions: bytes | None = None
    weight: float | None = None


def fetch(connection: Connection, stream: str, ids: Sequence[str]) -> list[JoinRow]:
    """The rows of those ids that have one, in any order."""
    found: list[JoinRow] = []
    for start in range(0, len(ids), _IDS):
        rows = connection.execute(
            select(*_COLUMNS).where(
                join_rows.c.stream == stream, join_rows.c.id.in_(ids[start : start + _IDS])
            )
        )
        found += [_row(dict(row)) for row in rows.mappings()]
    return found


def latest(connection: Connection, stream: str, limit: int) -> list[JoinRow]:
    """The newest rows, oldest first."""
    rows = connection.execute(
        select(*_COLUMNS)
        .where(join_rows.c.stream == stream)
        .order_by(join_rows.c.number.desc())
        .limit(limit)
    )
    return [_row(dict(row)) for row in rows.mappings()][::-1]


def counts(connection: Connection, stream: str) -> dict[JoinState, int]:
    """State -> rows, of every state."""
    return _counted(connection, join_rows.c.stream == stream)


def replace(connection: Connection, stream: str, rows: Iterable[JoinRow]) -> None:
    """Writes the rows, each in the place of the one that its id has."""
    documents = [{"stream": stream, **asdict(row)} for row in rows]
    if not documents:
        return
    ids = [document["id"] for document in documents]
    for start in range(0, len(ids), _IDS):
        connection.execute(
            delete(join_rows).where(
                join_rows.c.stream == stream, join_rows.c.id.in_(ids[start : start + _IDS])
            )
        )
    connection.execute(insert(join_rows), documents)


def drop_before(connection: Connection, stream: str, since: float) -> dict[JoinState, int]:
    """Removes the rows that are there since an earlier time. Returns how many of each state."""
    return _dropped(connection, (join_rows.c.stream == stream) & (join_rows.c.since < since))


def drop_oldest(connection: Connection, stream: str, rows: int) -> tuple[int, dict[JoinState, int]]:
    """Removes that many of the oldest rows, fewer than there are. Returns the number of the oldest
    that is left, and how many there were of each state."""
    first: int = connection.scalars(
        select(join_rows.c.number)
        .where(join_rows.c.stream == stream)
        .order_by(join_rows.c.number)
        .offset(rows)
        .limit(1)
    ).one()
    is_older = (join_rows.c.stream == stream) & (join_rows.c.number < first)
    return first, _dropped(connection, is_older)


_EMPTY: dict[JoinState, int] = {"waiting": 0, "early": 0, "met": 0}
_COLUMNS = [join_rows.c[name] for name in JoinRow.__dataclass_fields__]


def _row(columns: dict[str, object]) -> JoinRow:
    predictors = columns.pop("predictors")
    return JoinRow(**columns, predictors=tuple(predictors or ()))  # type: ignore[arg-type]


def _counted(connection: Connection, condition: ColumnElement[bool]) -> dict[JoinState, int]:
    rows = connection.execute(
        select(join_rows.c.state, func.count()).where(condition).group_by(join_rows.c.state)
    )
    return _EMPTY | {row.state: row[1] for row in rows}


def _dropped(connection: Connection, condition: ColumnElement[bool]) -> dict[JoinState, int]:
    found = _counted(connection, condition)
    if any(found.values()):
        connection.execute(delete(join_rows).where(condition))
    return found
