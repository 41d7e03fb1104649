"""Requests: a person asks for an episode, and the daemon says which one it became."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update
from ulid import ULID

from adaptd.errors import ConflictError, NotFoundError
from adaptd.registry import releases
from adaptd.store.tables import epochs, requests

# Characters; a reason is a few sentences.
MAXIMUM_REASON = 2_000


@dataclass(frozen=True)
class Request:
    """One request. is_over_budget: it may begin though the day's compute is used up. episode_id:
    None while it waits."""

    id: str
    stream: str
    actor: str
    reason: str
    is_over_budget: bool
    asked_at: datetime
    episode_id: str | None


@dataclass(frozen=True)
class Answer:
    """What became of asking. is_new: False where one waited already, which `request` then is."""

    request: Request
    is_new: bool


def ask(
    connection: Connection,
    *,
    stream: str,
    actor: str,
    reason: str,
    is_over_budget: bool,
    now: datetime,
) -> Answer:
    """Asks for an episode of the stream. While one waits, asking again adds nothing, unless to let
    it go over the budget.

    Raises NotFoundError for a stream that no daemon has taken up, ConflictError before its first
    release, ValueError for a reason that is too long.
    """
    if len(reason) > MAXIMUM_REASON:
        raise ValueError(
            f"a reason may hold {MAXIMUM_REASON:,} characters, this one has {len(reason):,}"
        )
    if connection.scalar(select(epochs.c.stream).where(epochs.c.stream == stream)) is None:
        raise NotFoundError(f"there is no stream {stream!r} here")
    if releases.current(connection, stream) is None:
        raise ConflictError(
            f"stream {stream!r} has no release yet: there is nothing to adapt before its first one"
        )
    waits = waiting(connection, stream)
    if waits and (any(one.is_over_budget for one in waits) or not is_over_budget):
        return Answer(waits[0], is_new=False)
    request = Request(
        id=str(ULID.from_datetime(now)),
        stream=stream,
        actor=actor,
        reason=reason,
        is_over_budget=is_over_budget,
        asked_at=now,
        episode_id=None,
    )
    connection.execute(insert(requests).values(**vars(request)))
    return Answer(request, is_new=True)


def waiting(connection: Connection, stream: str) -> list[Request]:
    """The stream's requests without an episode, oldest first."""
    rows = connection.execute(
        select(requests)
        .where(requests.c.stream == stream, requests.c.episode_id.is_(None))
        .order_by(requests.c.asked_at, requests.c.id)
    )
    return [Request(**row) for row in rows.mappings()]


def answer(connection: Connection, *, ids: list[str], episode_id: str) -> None:
    """These requests have become the episode."""
    connection.execute(update(requests).where(requests.c.id.in_(ids)).values(episode_id=episode_id))
