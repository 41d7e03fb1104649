"""Trials: what each began with, which records it counted, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from adaptd.store.pins import Wanted
from adaptd.store.tables import episodes, trials

# Of earlier releases; any other kind names the rungs whose job was done for it.
RECALL = "recall"


@dataclass(frozen=True)
class TrialRow:
    """One trial of an episode, numbered from 1 within it.

    terms: what it was begun with, beside the names of its members. members: name -> digests of
    its `architecture` and of its `weights` (None where nobody has taken it). made_by: what it was
    made with, for the `training` of its members and for the `trial`. first_record: the stream's
    next when it began. end_record: after the last that it counted. counted, evidence: of
    `adaptation.counted` and of `Trial.evidence`. What follows first_record is None while it runs,
    and for good where it was broken off.
    """

    episode_id: str
    number: int
    stream: str
    kind: str
    terms: dict[str, Any]
    members: dict[str, dict[str, str | None]]
    made_by: dict[str, dict[str, str]]
    first_record: int
    end_record: int | None
    counted: dict[str, Any] | None
    evidence: dict[str, Any] | None
    begun_at: datetime
    ended_at: datetime | None


def begin(
    connection: Connection,
    *,
    episode_id: str,
    stream: str,
    kind: str,
    terms: Mapping[str, Any],
    members: Mapping[str, Mapping[str, str | None]],
    made_by: Mapping[str, Mapping[str, str]],
    first_record: int,
    now: datetime,
) -> None:
    """The episode's next trial has begun."""
    latest = connection.scalar(
        select(func.max(trials.c.number)).where(trials.c.episode_id == episode_id)
    )
    connection.execute(
        insert(trials).values(
            episode_id=episode_id,
            number=(latest or 0) + 1,
            stream=stream,
            kind=kind,
            terms=terms,
            members=members,
            made_by=made_by,
            first_record=first_record,
            begun_at=now,
        )
    )


def end(
    connection: Connection,
    episode_id: str,
    *,
    end_record: int,
    counted: Mapping[str, Any],
    evidence: Mapping[str, Any],
    now: datetime,
) -> None:
    """The episode's running trial has ended. Does nothing where none runs: it was begun by a
    version that wrote none down."""
    connection.execute(
        update(trials)
        .where(trials.c.episode_id == episode_id, trials.c.ended_at.is_(None))
        .values(end_record=end_record, counted=counted, evidence=evidence, ended_at=now)
    )


def of_episode(connection: Connection, episode_id: str) -> list[TrialRow]:
    """The episode's trials in the order in which they were held."""
    rows = connection.execute(
        select(trials).where(trials.c.episode_id == episode_id).order_by(trials.c.number)
    )
    return [TrialRow(**row) for row in rows.mappings()]


def latest_episodes(connection: Connection, stream: str, limit: int) -> list[str]:
    """The stream's latest episodes that have tried something, newest first."""
    return list(
        connection.scalars(
            select(trials.c.episode_id)
            .where(trials.c.stream == stream)
            .group_by(trials.c.episode_id)
            .order_by(func.max(trials.c.begun_at).desc(), trials.c.episode_id.desc())
            .limit(limit)
        )
    )


def wanted(connection: Connection, episode_ids: list[str]) -> list[Wanted]:
    """The records that replays of these episodes need. A trial that was broken off, so that its
    episode is over and it has not ended, needs none."""
    rows = connection.execute(
        select(trials.c.episode_id, trials.c.first_record, trials.c.end_record)
        .join(episodes, episodes.c.id == trials.c.episode_id)
        .where(
            trials.c.episode_id.in_(episode_ids),
            trials.c.ended_at.is_not(None) | episodes.c.closed_at.is_(None),
        )
    )
    return [Wanted(row.episode_id, row.first_record, row.end_record) for row in rows]
