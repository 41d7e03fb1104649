"""The way back: a release that is proved worse than its predecessor is replaced by it."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from adaptd.adaptation.trial import DEPLOYED, LARGEST_LOG_VALUE
from adaptd.architecture import diff
from adaptd.daemon import recall
from adaptd.daemon.context import StreamContext
from adaptd.daemon.planning import macs_cap
from adaptd.daemon.release_desk import ReleaseDesk
from adaptd.errors import ConflictError
from adaptd.registry import (
    artifact,
    concentrations,
    decisions,
    episodes,
    proposals,
    spendings,
    watches,
)
from adaptd.registry.releases import Release
from adaptd.registry.spendings import Spending

ACTOR = f"{decisions.POLICY_PREFIX}rollback"
TRIGGER = "watch"

SCHEMA_VERSION = 1

_FOLDER = "rollback"
# Of the predecessor's own evidence: what its weights come from.
_KNOWN = ("training_records", "training_classes", "given_weights")


class RollbackDesk:
    """Releases predecessors again, for one stream."""

    def __init__(self, context: StreamContext, releases: ReleaseDesk) -> None:
        self._context = context
        self._releases = releases

    def publish(
        self,
        watched: Release,
        predecessor: Release,
        *,
        evidence: Mapping[str, Any],
        record: int,
    ) -> Release:
        """Releases the predecessor anew, under a number and a digest of its own, decided by policy.

        evidence: of the watch. record: where the stream is now. Everything is in one transaction:
        the proposal, its approval in the log of decisions, the release and its event, the end of
        the watch, and the end of an episode that is open, since what it trains was to beat the
        release that is taken back. Doing it again after a kill is harmless.
        Raises ConflictError if the watch has ended otherwise or the champion is another;
        ArtifactError if the predecessor's files are not what was released; StoreUnavailable.
        """
        if watched.episode_id is None:
            raise RuntimeError("what is watched comes from an episode")
        context, episode, now = self._context, watched.episode_id, self._context.clock.now()
        directory = context.state.episodes(context.stream) / episode / context.owned(_FOLDER)
        source = context.absolute(predecessor.path)
        manifest = artifact.copy(source, directory, digest=predecessor.digest)
        with context.database.read() as connection:
            document = dossier(
                watched,
                predecessor,
                evidence=evidence,
                spending=spendings.of_episode(connection, episode, kind="watch"),
                alpha=context.config.watch.alpha,
                macs_cap=max(macs_cap(connection, context), predecessor.macs),
                known={key: manifest["evidence"].get(key) for key in _KNOWN},
            )
        digest = self._releases.seal(
            directory,
            architecture=predecessor.architecture,
            parent=watched.digest,
            episode=episode,
            evidence=document,
            now=now,
        )
        installed = self._releases.install(directory, digest=digest)
        reason = sentence(watched, predecessor, evidence)
        published: list[Release] = []

        def write(connection: Connection) -> None:
            _end_episode(connection, context.stream, watched, now=now)
            proposal = proposals.create(
                connection,
                stream=context.stream,
                episode_id=episode,
                digest=digest,
                champion_digest=watched.digest,
                evidence=document,
                created_record=record,
                now=now,
            )
            decisions.decide(
                connection,
                proposal_id=proposal.id,
                digest=digest,
                verdict="approve",
                actor=ACTOR,
                comment=reason,
                now=now,
            )
            proposals.move(connection, proposal.id, expected="approved", to="published", now=now)
            published.append(
                self._releases.promote(
                    connection,
                    digest=digest,
                    architecture=predecessor.architecture,
                    directory=installed,
                    macs=predecessor.macs,
                    # It comes from no search, and is not watched itself.
                    episode=None,
                    expected=watched.digest,
                    now=now,
                )
            )
            concentrations.save(
                connection,
                stream=context.stream,
                release_digest=digest,
                counts=concentrations.load(connection, predecessor.digest),
                now=now,
            )
            if not watches.end(
                connection,
                watched.digest,
                outcome="rolled-back",
                reason=reason,
                evidence=evidence,
                rollback_digest=digest,
                now=now,
            ):
                raise ConflictError(f"the watch of release {watched.number} has ended already")

        context.ledger.transact(context.database, write)
        return published[0]


def dossier(
    watched: Release,
    predecessor: Release,
    *,
    evidence: Mapping[str, Any],
    spending: Spending,
    alpha: float,
    macs_cap: int,
    known: Mapping[str, Any],
) -> dict[str, Any]:
    """The evidence document of the proposal, in the words of a trial: the predecessor is who claims
    to be better than what is deployed. The same evidence gives the same document.

    alpha: of the stream, of which the watch's is a share. known: of the predecessor's evidence,
    what its weights come from.
    """
    name, accuracy = recall.name_of(predecessor), evidence["accuracy"]
    return {
        "schema_version": SCHEMA_VERSION,
        "records": evidence["records"],
        "first_record": evidence["first_record"],
        "challenger": name,
        "winner": name,
        "accuracy": {DEPLOYED: accuracy["released"], name: accuracy["predecessor"]},
        "e_value": {DEPLOYED: math.exp(min(evidence["log_e_value"], LARGEST_LOG_VALUE))},
        "records_as_one": {DEPLOYED: evidence["records_as_one"]},
        "alpha": evidence["alpha"],
        "trial_alpha": evidence["alpha"],
        "alpha_budget": {
            "stream": alpha,
            "test": spending.test,
            "spent_before": spending.spent_before,
            "spent": spending.alpha,
        },
        "verdict": evidence["verdict"],
        "trigger": TRIGGER,
        "drift": None,
        "diagnosis": None,
        **known,
        "training_steps": 0,
        "champion_architecture": watched.architecture.to_document(),
        "challenger_architecture": predecessor.architecture.to_document(),
        "edits": [str(edit) for edit in diff(watched.architecture, predecessor.architecture)],
        "macs": {
            "champion": watched.macs,
            "challenger": predecessor.macs,
            "cap": macs_cap,
        },
        "supernet_memory_ratio": None,
        "phase_seconds": {},
    }


def sentence(watched: Release, predecessor: Release, evidence: Mapping[str, Any]) -> str:
    """What the watch has seen so far, for people."""
    accuracy = evidence["accuracy"]
    if not evidence["records"]:
        return f"release {watched.number} was seen on no record"
    return (
        f"on the same {evidence['records']} records release {watched.number} was right on "
        f"{100 * accuracy['released']:.1f} %, release {predecessor.number} before it on "
        f"{100 * accuracy['predecessor']:.1f} %"
    )


def _end_episode(connection: Connection, stream: str, watched: Release, *, now: datetime) -> None:
    episode = episodes.active(connection, stream)
    if episode is None:
        return
    for proposal in proposals.listing(connection, stream):
        if proposal.episode_id == episode.id and proposal.state in ("awaiting", "approved"):
            proposals.move(connection, proposal.id, expected=proposal.state, to="expired", now=now)
    episodes.close(
        connection,
        episode.id,
        outcome="failed",
        reason=f"release {watched.number}, which it was to improve on, was taken back",
        now=now,
    )
