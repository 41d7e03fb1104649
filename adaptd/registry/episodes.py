"""Episodes: one run from a trigger to its outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from adaptd.errors import ConflictError, NotFoundError
from adaptd.store.tables import episodes

# In the order they are gone through; an episode may be closed in any of them. From a trial it goes
# back to searching for each dearer rung: corrected priors were not enough, or new weights were not.
# An earlier release that fits again is proposed while it collects, and passes over both.
STATES = ("collecting", "searching", "trial", "proposed", "closed")

OUTCOMES = (
    "released",
    "rejected",
    "expired",
    "no-better",
    "inconclusive",
    "held",
    "refused",
    "failed",
)


@dataclass(frozen=True)
class Episode:
    """One run from a trigger to its outcome. At most one of a stream is not closed.

    id: ULID. trigger: JSON of what started it. state: one of STATES. outcome: one of OUTCOMES, once
    it is closed; reason: why, for people. plan: JSON, what is to be done (budget, seeds, records).
    result: JSON, what the worker reported; empty before.
    """

    id: str
    stream: str
    trigger: dict[str, Any]
    state: str
    outcome: str | None
    reason: str | None
    plan: dict[str, Any]
    result: dict[str, Any]
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


def open_(
    connection: Connection, *, id: str, stream: str, trigger: Mapping[str, Any], now: datetime
) -> Episode:
    """A new episode, collecting. Raises ConflictError if the stream has one that is not closed."""
    running = active(connection, stream)
    if running is not None:
        raise ConflictError(
            f"stream {stream!r}: episode {running.id} is {running.state}; one at a time"
        )
    connection.execute(
        insert(episodes).values(
            id=id,
            stream=stream,
            trigger=trigger,
            state=STATES[0],
            plan={},
            result={},
            opened_at=now,
            updated_at=now,
        )
    )
    return get(connection, id)


def advance(
    connection: Connection,
    id: str,
    *,
    state: str,
    plan: Mapping[str, Any] | None = None,
    result: Mapping[str, Any] | None = None,
    now: datetime,
) -> Episode:
    """Moves the episode to the next state, or stays in its own to record a plan or a result, or
    goes back from a trial to searching.

    plan, result: replace what was recorded; None leaves it.
    Raises ConflictError if the state is not the next one, ValueError if it is none (`close`
    closes), NotFoundError if there is no such episode.
    """
    if state not in STATES[:-1]:
        raise ValueError(f"expected one of {STATES[:-1]}, got {state!r}")
    episode = get(connection, id)
    step = STATES.index(state) - STATES.index(episode.state)
    if step not in (0, 1) and (episode.state, state) != ("trial", "searching"):
        raise ConflictError(f"episode {id} is {episode.state}, it cannot become {state}")
    changes: dict[str, Any] = {"state": state, "updated_at": now}
    if plan is not None:
        changes["plan"] = plan
    if result is not None:
        changes["result"] = result
    connection.execute(update(episodes).where(episodes.c.id == id).values(**changes))
    return get(connection, id)


def close(
    connection: Connection, id: str, *, outcome: str, reason: str | None, now: datetime
) -> Episode:
    """Ends the episode, in whatever state it is.

    Raises ConflictError if it is closed already, ValueError for an outcome that is none,
    NotFoundError if there is no such episode.
    """
    if outcome not in OUTCOMES:
        raise ValueError(f"expected one of {OUTCOMES}, got {outcome!r}")
    episode = get(connection, id)
    if episode.closed_at is not None:
        raise ConflictError(f"episode {id} is closed already, as {episode.outcome}")
    connection.execute(
        update(episodes)
        .where(episodes.c.id == id)
        .values(state=STATES[-1], outcome=outcome, reason=reason, updated_at=now, closed_at=now)
    )
    return get(connection, id)


def active(connection: Connection, stream: str) -> Episode | None:
    """The episode of the stream that is not closed."""
    found = _rows(
        connection,
        select(episodes).where(episodes.c.stream == stream, episodes.c.closed_at.is_(None)),
    )
    return found[0] if found else None


def get(connection: Connection, id: str) -> Episode:
    """Raises NotFoundError if there is no such episode."""
    found = _rows(connection, select(episodes).where(episodes.c.id == id))
    if not found:
        raise NotFoundError(f"no episode {id!r}")
    return found[0]


def beginning_with(connection: Connection, prefix: str) -> list[Episode]:
    """Episodes of all streams whose id begins like that, newest first."""
    return _rows(
        connection,
        select(episodes)
        .where(episodes.c.id.startswith(prefix, autoescape=True))
        .order_by(episodes.c.opened_at.desc(), episodes.c.id.desc()),
    )


def history(connection: Connection, stream: str, limit: int = 100) -> list[Episode]:
    """The stream's latest episodes, newest first."""
    return _rows(
        connection,
        select(episodes)
        .where(episodes.c.stream == stream)
        .order_by(episodes.c.opened_at.desc(), episodes.c.id.desc())
        .limit(limit),
    )


def _rows(connection: Connection, query: Select[Any]) -> list[Episode]:
    return [Episode(**row) for row in connection.execute(query).mappings()]
