"""From a trial that passed to a proposal, and from its approval to a release."""

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import Connection

from adaptd.adaptation.job import Result
from adaptd.adaptation.trigger import Trigger
from adaptd.architecture import Architecture
from adaptd.daemon.context import StreamContext
from adaptd.daemon.dossier import dossier, proposed
from adaptd.daemon.forgetting import OLD_CONCEPTS, over_limit
from adaptd.daemon.planning import members_directory
from adaptd.daemon.recall import is_recalled
from adaptd.daemon.release_desk import ReleaseDesk
from adaptd.errors import ConflictError
from adaptd.registry import concentrations, decisions, episodes, proposals, spendings
from adaptd.registry.episodes import Episode
from adaptd.registry.proposals import Proposal
from adaptd.registry.releases import Release

log = structlog.get_logger()

AUTOMATIC = "policy:automatic"

# A person's decision is looked for this often: quick for a person, nothing for the store.
DECISION_SECONDS = 0.5


class ProposalDesk:
    """Proposes for one stream, waits for decisions, and publishes what was approved."""

    def __init__(self, context: StreamContext, releases: ReleaseDesk) -> None:
        self._context = context
        self._releases = releases
        self._looked_at = float("-inf")

    def propose(
        self,
        episode: Episode,
        *,
        evidence: Mapping[str, Any],
        champion: Release,
        record: int,
    ) -> None:
        """Seals a trial's winner and adds its proposal; the automatic policy decides at once.

        evidence: of the trial that it has won. record: where the stream is now. Raises
        ArtifactError if the winner's files are gone.
        """
        result = Result.model_validate(episode.result)
        with self._context.database.read() as connection:
            spending = spendings.of_episode(
                connection,
                episode.id,
                kind="recall" if is_recalled(proposed(evidence)) else "trial",
            )
        document = dossier(
            evidence=evidence,
            spending=spending,
            stream_alpha=self._context.config.trial.alpha,
            result=result,
            champion=champion,
            trigger=Trigger.from_document(episode.trigger),
            plan=episode.plan,
            maximum_forgetting_points=self._context.config.approval.maximum_forgetting_points,
        )
        now, winner = self._context.clock.now(), proposed(evidence)
        digest = self._releases.seal(
            members_directory(self._context, episode.id) / result.members[winner].directory,
            architecture=Architecture.from_document(result.members[winner].architecture),
            parent=champion.digest,
            episode=episode.id,
            evidence=document,
            now=now,
        )
        is_automatic = self._may_be_automatic(document)

        def write(connection: Connection) -> None:
            proposal = proposals.create(
                connection,
                stream=self._context.stream,
                episode_id=episode.id,
                digest=digest,
                champion_digest=champion.digest,
                evidence=document,
                created_record=record,
                now=now,
            )
            if is_automatic:
                decisions.decide(
                    connection,
                    proposal_id=proposal.id,
                    digest=digest,
                    verdict="approve",
                    actor=AUTOMATIC,
                    comment="approval.policy is automatic",
                    now=now,
                )

        self._context.ledger.add(write)
        if not is_automatic:
            self._context.metrics.proposals_awaiting.labels(self._context.stream).set(1)
        log.info(
            "proposal.created",
            stream=self._context.stream,
            episode=episode.id,
            remedy=winner,
            digest=digest,
        )

    def _may_be_automatic(self, document: Mapping[str, Any]) -> bool:
        approval = self._context.config.approval
        if approval.policy != "automatic":
            return False
        too_much = over_limit(
            document[OLD_CONCEPTS],
            proposed(document),
            maximum_points=approval.maximum_forgetting_points,
        )
        if too_much is not None:
            log.warning("proposal.needs_a_person", stream=self._context.stream, reason=too_much)
        return too_much is None

    def restore(self, connection: Connection, episode: Episode) -> None:
        """Shows again that the episode's proposal awaits a decision, if it does."""
        proposal = proposals.of_episode(connection, episode.id)
        self._context.metrics.proposals_awaiting.labels(self._context.stream).set(
            proposal.state == "awaiting"
        )

    def look(self, episode: Episode) -> Proposal | None:
        """The episode's proposal as it stands; None where it is too early to look again."""
        now = self._context.clock.monotonic()
        # Its own row must be there before it is looked for.
        if self._context.ledger.is_urgent or now - self._looked_at < DECISION_SECONDS:
            return None
        self._looked_at = now
        with self._context.database.read() as connection:
            return proposals.of_episode(connection, episode.id)

    def expire(self, episode: Episode, proposal: Proposal, *, reason: str) -> bool:
        """Takes the proposal back and ends its episode. False if it was decided at this moment."""
        now = self._context.clock.now()

        def write(connection: Connection) -> None:
            proposals.move(connection, proposal.id, expected="awaiting", to="expired", now=now)
            episodes.close(connection, episode.id, outcome="expired", reason=reason, now=now)

        try:
            self._context.ledger.transact(self._context.database, write)
        except ConflictError:
            return False
        return True

    def publish(self, episode: Episode, proposal: Proposal) -> Release:
        """Makes the approved challenger the champion; its episode ends in the same transaction.

        Raises ConflictError, with the proposal expired, if the champion is no longer the one that
        it was tried against; ArtifactError if the files are not what was approved.
        """
        result = Result.model_validate(episode.result)
        winner = proposed(proposal.evidence)
        member = result.members[winner]
        installed = self._releases.install(
            members_directory(self._context, episode.id) / result.members[winner].directory,
            digest=proposal.digest,
        )
        now = self._context.clock.now()
        published: list[Release] = []

        def write(connection: Connection) -> None:
            proposals.move(connection, proposal.id, expected="approved", to="published", now=now)
            published.append(
                self._releases.promote(
                    connection,
                    digest=proposal.digest,
                    architecture=Architecture.from_document(member.architecture),
                    directory=installed,
                    macs=member.macs,
                    episode=episode.id,
                    expected=proposal.champion_digest,
                    now=now,
                )
            )
            concentrations.save(
                connection,
                stream=self._context.stream,
                release_digest=proposal.digest,
                # New weights alone have moved none.
                counts=result.concentrations or episode.plan["concentrations"],
                now=now,
            )
            episodes.close(connection, episode.id, outcome="released", reason=None, now=now)

        try:
            self._context.ledger.transact(self._context.database, write)
        except ConflictError:
            self.withdraw(proposal)
            raise
        return published[0]

    def withdraw(self, proposal: Proposal) -> None:
        """An approved proposal that cannot be published: it expires with the next commit."""
        now = self._context.clock.now()
        self._context.ledger.add(
            lambda connection: proposals.move(
                connection, proposal.id, expected="approved", to="expired", now=now
            )
        )
