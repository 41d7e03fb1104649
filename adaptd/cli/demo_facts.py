"""What has happened in a demo, from its store alone, so that a run after a kill knows as much."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from adaptd.cli.demo_setup import MEASURED_RECORDS, WATCHED_RECORDS, Demo
from adaptd.registry import (
    alarms,
    decisions,
    episodes,
    progress,
    proposals,
    releases,
    scores,
)
from adaptd.registry.alarms import AlarmRow
from adaptd.registry.decisions import Decision
from adaptd.registry.episodes import Episode
from adaptd.registry.proposals import Proposal
from adaptd.registry.releases import Release
from adaptd.store import checkpoints

# A demo has a handful of alarms and episodes; this only bounds the query.
ROWS = 100
# Blocks that surely hold the records after a release which the demo waits for.
LATEST_BLOCKS = 200


@dataclass(frozen=True)
class Facts:
    """One consistent view of the demo's stream. Every sequence is in order of time.

    records: how many the daemon has counted. accuracy: fraction over the latest 1,000, or None.
    progress: phase, step, steps, loss; None between phases. watched: release digest -> how many
    records of the latest blocks it predicted.
    """

    records: int
    accuracy: float | None
    progress: dict[str, Any] | None
    alarms: tuple[AlarmRow, ...]
    episodes: tuple[Episode, ...]
    proposals: tuple[Proposal, ...]
    decisions: tuple[Decision, ...]
    releases: tuple[Release, ...]
    watched: dict[str, int]


@dataclass(frozen=True)
class Success:
    """The release that answers the drift, the proposal it came from, and the champion before it."""

    release: Release
    proposal: Proposal
    champion: Release


@dataclass(frozen=True)
class Failure:
    """Nothing was released, and why."""

    reason: str


def read(connection: Connection, stream: str) -> Facts:
    """The facts as one read transaction sees them. Raises StoreUnavailable."""
    watched: dict[str, int] = {}
    for block in scores.series(connection, stream, limit=LATEST_BLOCKS):
        watched[block.release_digest] = watched.get(block.release_digest, 0) + block.records
    return Facts(
        records=checkpoints.next_record(connection, stream),
        accuracy=scores.accuracy(connection, stream, records=MEASURED_RECORDS),
        progress=progress.latest(connection, stream),
        alarms=tuple(sorted(alarms.listing(connection, stream, ROWS), key=lambda row: row.id)),
        episodes=tuple(
            sorted(episodes.history(connection, stream, ROWS), key=lambda row: row.opened_at)
        ),
        proposals=tuple(
            sorted(proposals.listing(connection, stream), key=lambda row: row.created_at)
        ),
        decisions=tuple(sorted(decisions.listing(connection, stream), key=lambda row: row.number)),
        releases=tuple(sorted(releases.history(connection, stream), key=lambda row: row.number)),
        watched=watched,
    )


def answer(facts: Facts, demo: Demo) -> Success | None:
    """The first release whose evidence lies wholly after the drift; a false alarm's does not."""
    by_digest = {release.digest: release for release in facts.releases}
    for proposal in facts.proposals:
        release = by_digest.get(proposal.digest)
        if release is not None and proposal.evidence["first_record"] >= demo.drift_at:
            return Success(release, proposal, by_digest[proposal.champion_digest])
    return None


def ending(facts: Facts, demo: Demo) -> Success | Failure | None:
    """How the demo has ended, or None while it goes on.

    It ends well once the release has predicted enough records to be seen at work.
    """
    success = answer(facts, demo)
    if success is not None:
        later = {
            release.digest for release in facts.releases if release.number >= success.release.number
        }
        watched = sum(facts.watched.get(digest, 0) for digest in later)
        return success if watched >= WATCHED_RECORDS else None
    if any(episode.closed_at is None for episode in facts.episodes):
        return None
    for episode in facts.episodes:
        if episode.trigger["record"] >= demo.drift_at and episode.outcome != "released":
            return Failure(f"{episode.outcome}: {episode.reason or 'no reason was recorded'}")
    return None


def awaiting(facts: Facts) -> Proposal | None:
    """The proposal that waits for a decision, if one does."""
    return next((each for each in facts.proposals if each.state == "awaiting"), None)
