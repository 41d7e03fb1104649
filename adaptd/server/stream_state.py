"""`StreamState`: all that the store knows of one stream that a person or a program asks for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, union

from adaptd.registry import (
    alarms,
    decisions,
    episodes,
    progress,
    proposals,
    releases,
    scores,
    watches,
)
from adaptd.registry.alarms import AlarmRow
from adaptd.registry.decisions import Decision
from adaptd.registry.episodes import Episode
from adaptd.registry.proposals import Proposal
from adaptd.registry.releases import Release
from adaptd.registry.scores import BlockScore
from adaptd.registry.watches import Watch
from adaptd.server import trigger_state, watch_view
from adaptd.server.trigger_state import TriggerState
from adaptd.store import checkpoints, epochs, tables
from adaptd.store.epochs import Owner

SCHEMA_VERSION = 1

# Records that "accuracy now" looks back on; the metric adaptd_accuracy uses as many.
LATEST_RECORDS = 1_000

# Blocks of the series: 16,000 records at the usual 32, as many as a plot of this width can show.
SERIES_BLOCKS = 500

LATEST_ALARMS = 10
LATEST_EPISODES = 10


@dataclass(frozen=True)
class StreamState:
    """One stream as one read transaction saw it.

    owner: the process that works on it, or did last. champion: None before release 1. accuracy:
    fraction over the latest LATEST_RECORDS records. series: blocks, oldest first. signals: how
    those beside the loss stood at the latest checkpoint, None where there are none. progress: the
    document of the running phase. Everything else is newest first; `awaiting` are the proposals
    without a decision, `watches` those over releases.
    """

    stream: str
    owner: Owner | None
    champion: Release | None
    accuracy: float | None
    series: tuple[BlockScore, ...]
    episode: Episode | None
    progress: dict[str, Any] | None
    alarms: tuple[AlarmRow, ...]
    episodes: tuple[Episode, ...]
    awaiting: tuple[Proposal, ...]
    releases: tuple[Release, ...]
    watches: tuple[Watch, ...]
    decisions: tuple[Decision, ...]
    triggers: TriggerState
    signals: dict[str, Any] | None = None


def streams(connection: Connection) -> list[str]:
    """Names of the streams that a daemon has ever taken up on this store, sorted."""
    names = union(select(tables.epochs.c.stream), select(tables.releases.c.stream))
    return sorted(connection.scalars(names))


def read(connection: Connection, stream: str, *, now: datetime) -> StreamState:
    """The state of one stream; empty for a name that is unknown."""
    return StreamState(
        stream=stream,
        owner=epochs.owner(connection, stream),
        champion=releases.current(connection, stream),
        accuracy=scores.accuracy(connection, stream, records=LATEST_RECORDS),
        series=tuple(scores.series(connection, stream, limit=SERIES_BLOCKS)),
        episode=episodes.active(connection, stream),
        progress=progress.latest(connection, stream),
        alarms=tuple(alarms.listing(connection, stream, LATEST_ALARMS)),
        episodes=tuple(episodes.history(connection, stream, LATEST_EPISODES)),
        awaiting=tuple(proposals.listing(connection, stream, state="awaiting")),
        releases=tuple(releases.history(connection, stream)),
        watches=tuple(watches.listing(connection, stream)),
        decisions=tuple(reversed(decisions.listing(connection, stream))),
        triggers=trigger_state.read(connection, stream, now=now),
        signals=checkpoints.shown(connection, stream),
    )


def document(states: Iterable[StreamState], *, now: datetime) -> dict[str, Any]:
    """What `GET /api/v1/state` answers: plain values, aware times."""
    return {
        "schema_version": SCHEMA_VERSION,
        "time": now,
        "streams": [_stream_document(state) for state in states],
    }


def proposal_document(proposal: Proposal) -> dict[str, Any]:
    """One proposal with its evidence, as the API gives it."""
    return {
        "id": proposal.id,
        "stream": proposal.stream,
        "episode_id": proposal.episode_id,
        "digest": proposal.digest,
        "champion_digest": proposal.champion_digest,
        "state": proposal.state,
        "created_record": proposal.created_record,
        "created_at": proposal.created_at,
        "settled_at": proposal.settled_at,
        "evidence": proposal.evidence,
    }


def decision_document(decision: Decision) -> dict[str, Any]:
    """One entry of the decision log, as the API gives it."""
    return {
        "number": decision.number,
        "proposal_id": decision.proposal_id,
        "digest": decision.digest,
        "verdict": decision.verdict,
        "actor": decision.actor,
        "comment": decision.comment,
        "at": decision.at,
        "previous_hash": decision.previous_hash,
        "hash": decision.hash,
    }


def _stream_document(state: StreamState) -> dict[str, Any]:
    return {
        "stream": state.stream,
        "owner": None
        if state.owner is None
        else {
            "name": state.owner.name,
            "epoch": state.owner.epoch,
            "since": state.owner.since,
        },
        "champion": None if state.champion is None else _release_document(state.champion),
        "accuracy": {"records": LATEST_RECORDS, "value": state.accuracy},
        "accuracy_series": [
            {
                "block": block.block,
                "first_record": block.first_record,
                "records": block.records,
                "accuracy": block.hits / block.records,
                "loss": block.loss,
                "release_digest": block.release_digest,
            }
            for block in state.series
        ],
        "episode": None
        if state.episode is None
        else {**_episode_document(state.episode), "progress": state.progress},
        "progress": state.progress,
        "triggers": trigger_state.document(state.triggers),
        "episodes": [_episode_document(episode) for episode in state.episodes],
        "alarms": [
            {
                "id": alarm.id,
                "signal": alarm.signal,
                "record": alarm.record,
                "since_record": alarm.since_record,
                "statistic": alarm.statistic,
                "numbering": alarm.numbering,
                "at": alarm.at,
            }
            for alarm in state.alarms
        ],
        "signals": state.signals,
        "proposals": [proposal_document(proposal) for proposal in state.awaiting],
        "releases": [_release_document(release) for release in state.releases],
        "watches": [watch_view.document(watch) for watch in state.watches],
        "decisions": [decision_document(decision) for decision in state.decisions],
    }


def _release_document(release: Release) -> dict[str, Any]:
    return {
        "number": release.number,
        "digest": release.digest,
        "parent": release.parent,
        "episode_id": release.episode_id,
        "architecture": release.architecture.to_document(),
        "macs": release.macs,
        "path": release.path,
        "created_at": release.created_at,
    }


def _episode_document(episode: Episode) -> dict[str, Any]:
    return {
        "id": episode.id,
        "trigger": episode.trigger,
        "state": episode.state,
        "outcome": episode.outcome,
        "reason": episode.reason,
        "opened_at": episode.opened_at,
        "closed_at": episode.closed_at,
    }
