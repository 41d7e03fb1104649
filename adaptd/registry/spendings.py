"""What each test of a stream's life was allowed of the stream's alpha, and what is left."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from adaptd.errors import NotFoundError
from adaptd.store.tables import spendings

# trial: of a challenger against its rivals. recall: of earlier releases against the deployed model.
# watch: of a release against the one before it.
KINDS = ("trial", "recall", "watch")

# What can go wrong in them, each with an alpha of its own: a release that is not better, and going
# back from one that is not worse.
_ERRORS = (("trial", "recall"), ("watch",))


@dataclass(frozen=True)
class Spending:
    """One test. test: its number in the stream, from 1. alpha: of this test alone. spent_before:
    the sum over the tests before it in which the same may go wrong."""

    stream: str
    test: int
    kind: str
    episode_id: str
    alpha: float
    spent_before: float
    at: datetime


def next_test(connection: Connection, stream: str) -> int:
    """The number that the stream's next test will have."""
    latest = connection.scalar(
        select(func.max(spendings.c.test)).where(spendings.c.stream == stream)
    )
    return (latest or 0) + 1


def add(
    connection: Connection,
    *,
    stream: str,
    test: int,
    kind: str,
    episode_id: str,
    alpha: float,
    now: datetime,
) -> None:
    """Spends: what a test has begun with never comes back, whatever its outcome.

    Raises ValueError for a kind that is none, IntegrityError where the number is taken.
    """
    if kind not in KINDS:
        raise ValueError(f"expected one of {KINDS}, got {kind!r}")
    connection.execute(
        insert(spendings).values(
            stream=stream, test=test, kind=kind, episode_id=episode_id, alpha=alpha, at=now
        )
    )


def of_episode(connection: Connection, episode_id: str, *, kind: str) -> Spending:
    """Raises NotFoundError if the episode had no such test."""
    row = (
        connection.execute(
            select(spendings).where(spendings.c.episode_id == episode_id, spendings.c.kind == kind)
        )
        .mappings()
        .first()
    )
    if row is None:
        raise NotFoundError(f"episode {episode_id!r} had no {kind}")
    before = connection.scalar(
        select(func.coalesce(func.sum(spendings.c.alpha), 0.0)).where(
            spendings.c.stream == row["stream"],
            spendings.c.test < row["test"],
            spendings.c.kind.in_(next(kinds for kinds in _ERRORS if kind in kinds)),
        )
    )
    return Spending(**row, spent_before=float(before or 0.0))
