"""Leads one stream's episode from its trigger to its outcome."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
from sqlalchemy import Connection
from ulid import ULID

from adaptd.adaptation.job import REOPENED, Result
from adaptd.adaptation.trial import Trial
from adaptd.adaptation.trigger import Trigger
from adaptd.architecture import Architecture, Contract
from adaptd.daemon.context import StreamContext
from adaptd.daemon.dossier import dossier
from adaptd.daemon.lineup import DEPLOYED, Lineup
from adaptd.daemon.planning import job_of, members_directory, plan, span
from adaptd.daemon.release_desk import ReleaseDesk
from adaptd.errors import ConflictError, WorkerFailed
from adaptd.registry import concentrations, decisions, episodes, progress, proposals, releases
from adaptd.registry.episodes import Episode
from adaptd.registry.proposals import Proposal
from adaptd.registry.releases import Release
from adaptd.stream.batch import Batch
from adaptd.stream.window import Window

log = structlog.get_logger()

AUTOMATIC = "policy:automatic"

# A person's decision is looked for this often: quick for a person, nothing for the store.
DECISION_SECONDS = 0.5


class Conductor:
    """The state machine of an episode. Rows go through the ledger; what it holds is rebuilt from
    them."""

    def __init__(
        self,
        context: StreamContext,
        *,
        contract: Contract,
        window: Window,
        lineup: Lineup,
        desk: ReleaseDesk,
        on_close: Callable[[], None],
    ) -> None:
        self._context = context
        self._contract = contract
        self._window = window
        self._lineup = lineup
        self._desk = desk
        self._on_close = on_close
        self._episode: Episode | None = None
        self._trial: Trial | None = None
        self._looked_at = float("-inf")
        self._is_working = False

    @property
    def episode(self) -> Episode | None:
        """The open episode, if there is one."""
        return self._episode

    def state(self) -> dict[str, Any]:
        """What the checkpoint keeps: the trial's counts. All else of an episode stands in its
        row."""
        return {"trial": None if self._trial is None else self._trial.state()}

    def restore(self, connection: Connection, state: dict[str, Any]) -> None:
        """Takes the open episode up where the store left it; a search that was cut off begins
        again."""
        self._episode = episodes.active(connection, self._context.stream)
        if self._episode is None:
            return
        self._context.metrics.episode_active.labels(self._context.stream).set(1)
        if self._episode.trigger["kind"] == "drift":
            self._context.metrics.drift_active.labels(self._context.stream).set(1)
        if self._episode.state == "trial":
            self._seat(Result.model_validate(self._episode.result))
            if state.get("trial") is None:
                raise ValueError(
                    f"episode {self._episode.id} is in trial but its counts are not kept"
                )
            self._trial = Trial.restore(state["trial"])
        if self._episode.state == "proposed":
            proposal = proposals.of_episode(connection, self._episode.id)
            self._context.metrics.proposals_awaiting.labels(self._context.stream).set(
                proposal.state == "awaiting"
            )
        log.info("episode.resumed", episode=self._episode.id, state=self._episode.state)

    def open(self, trigger: Trigger) -> None:
        """Begins an episode. Raises RuntimeError if one is open."""
        if self._episode is not None:
            raise RuntimeError("one episode at a time for each stream")
        now = self._context.clock.now()
        self._episode = Episode(
            id=str(ULID()),
            stream=self._context.stream,
            trigger=trigger.to_document(),
            state="collecting",
            outcome=None,
            reason=None,
            plan={},
            result={},
            opened_at=now,
            updated_at=now,
            closed_at=None,
        )
        episode = self._episode
        self._context.ledger.add(
            lambda connection: episodes.open_(
                connection,
                id=episode.id,
                stream=episode.stream,
                trigger=episode.trigger,
                now=now,
            ),
            is_urgent=True,
        )
        self._context.metrics.episode_active.labels(self._context.stream).set(1)
        log.info(
            "episode.opened", stream=self._context.stream, episode=episode.id, trigger=trigger.kind
        )

    def on_records(
        self, batch: Batch, *, first_record: int, champion_hits: npt.NDArray[np.bool_]
    ) -> None:
        """Lets the members of a running trial predict records that nobody has trained on."""
        if self._trial is None or self._trial.verdict() != "running":
            return
        hits = self._lineup.hits(batch.x, batch.target)
        self._trial.update({DEPLOYED: champion_hits, **hits}, first_record=first_record)
        for rival, log_value in self._trial.log_e_values().items():
            self._context.metrics.trial_log_e_value.labels(self._context.stream, rival).set(
                log_value
            )

    def step(self, *, is_exhausted: bool) -> Release | None:
        """Goes on as far as it can without waiting. Returns a release right after its publication.

        is_exhausted: the stream has ended, so what still needs records will not get them.
        """
        if self._episode is None:
            trigger = self._context.queue.take(self._context.stream)
            if trigger is not None:
                self.open(trigger)
            return None
        match self._episode.state:
            case "collecting":
                self._collect(self._episode, is_exhausted=is_exhausted)
            case "searching":
                self._search(self._episode)
            case "trial":
                self._judge(self._episode, is_exhausted=is_exhausted)
            case "proposed":
                return self._decide(self._episode)
        return None

    def _collect(self, episode: Episode, *, is_exhausted: bool) -> None:
        trigger = Trigger.from_document(episode.trigger)
        first, last = span(trigger, self._window, records=self._context.config.episode.records)
        self._show("collecting", self._window.next_record - first, last - first)
        if self._window.next_record < last:
            if is_exhausted:
                self._close(
                    "refused",
                    f"the stream ended {self._window.next_record - first} records after the drift, "
                    f"training takes {last - first}",
                )
            return
        champion = self._champion()
        with self._context.database.read() as connection:
            first_release = releases.history(connection, self._context.stream)[-1]
            prior = concentrations.load(connection, champion.digest)
        planned = plan(
            self._context,
            episode=episode.id,
            first=first,
            last=last,
            window=self._window,
            champion=champion,
            # Absolute for the stream: a cap relative to each champion would compound over episodes.
            macs_cap=int(first_release.macs * self._context.config.episode.macs_ratio),
            concentrations=prior,
        )
        self._advance("searching", plan=planned)

    def _search(self, episode: Episode) -> None:
        if not self._is_working:
            self._context.executor.start(
                job_of(
                    self._context,
                    episode=episode.id,
                    plan=episode.plan,
                    champion=self._champion(),
                    contract=self._contract,
                ),
                wall_seconds=self._context.config.episode.wall_seconds,
            )
            self._is_working = True
            return
        try:
            report = self._context.executor.poll()
        except WorkerFailed as error:
            log.error("episode.worker_failed", episode=episode.id, error=str(error))
            self._close("failed", str(error))
            return
        if report.progress is not None:
            self._show(
                report.progress.phase,
                report.progress.step,
                report.progress.steps,
                report.progress.loss,
            )
        if report.result is None:
            return
        self._is_working = False
        if report.result.refused is not None:
            self._close("refused", report.result.refused)
            return
        self._keep_concentrations(self._champion().digest, report.result)
        self._seat(report.result)
        trial = self._context.config.trial
        self._trial = Trial.start(
            (DEPLOYED, *report.result.members),
            alpha=trial.alpha,
            minimum_records=trial.minimum_records,
            maximum_records=trial.maximum_records,
        )
        self._advance("trial", result=report.result.model_dump(mode="json"))

    def _judge(self, episode: Episode, *, is_exhausted: bool) -> None:
        trial = self._trial
        if trial is None:
            raise RuntimeError(f"episode {episode.id} is in trial without one")
        verdict = trial.verdict()
        if verdict == "running":
            self._show("trial", trial.records, self._context.config.trial.minimum_records)
            if is_exhausted:
                self._close(
                    "inconclusive", f"the stream ended after {trial.records} records of the trial"
                )
            return
        evidence = trial.evidence()
        if verdict == "better":
            self._propose(episode, trial)
        elif verdict == "not-better":
            self._close("no-better", _sentence("not better", evidence))
        else:
            self._close("inconclusive", _sentence("without evidence either way", evidence))

    def _propose(self, episode: Episode, trial: Trial) -> None:
        champion = self._champion()
        result = Result.model_validate(episode.result)
        evidence = dossier(
            trial=trial,
            result=result,
            champion=champion,
            trigger=Trigger.from_document(episode.trigger),
            plan=episode.plan,
        )
        now = self._context.clock.now()
        digest = self._desk.seal(
            members_directory(self._context, episode.id) / REOPENED,
            architecture=Architecture.from_document(result.members[REOPENED].architecture),
            parent=champion.digest,
            episode=episode.id,
            evidence=evidence,
            now=now,
        )
        is_automatic = self._context.config.approval.policy == "automatic"

        def propose(connection: Connection) -> None:
            proposal = proposals.create(
                connection,
                stream=self._context.stream,
                episode_id=episode.id,
                digest=digest,
                champion_digest=champion.digest,
                evidence=evidence,
                created_record=self._window.next_record,
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

        self._context.ledger.add(propose)
        if not is_automatic:
            self._context.metrics.proposals_awaiting.labels(self._context.stream).set(1)
        self._trial = None
        self._lineup.dismiss()
        self._advance("proposed")
        log.info("proposal.created", stream=self._context.stream, episode=episode.id, digest=digest)

    def _decide(self, episode: Episode) -> Release | None:
        # The proposal's own row must be there before it is looked for.
        now = self._context.clock.monotonic()
        if self._context.ledger.is_urgent or now - self._looked_at < DECISION_SECONDS:
            return None
        self._looked_at = now
        with self._context.database.read() as connection:
            proposal = proposals.of_episode(connection, episode.id)
        if proposal.state == "approved":
            return self._publish(episode, proposal)
        age = self._window.next_record - proposal.created_record
        if proposal.state == "awaiting" and age > self._context.config.approval.expires_records:
            self._expire(proposal, age)
        elif proposal.state == "rejected":
            self._close("rejected", "rejected by a decision")
        return None

    def _expire(self, proposal: Proposal, age: int) -> None:
        try:
            with self._context.database.write() as connection:
                proposals.move(
                    connection,
                    proposal.id,
                    expected="awaiting",
                    to="expired",
                    now=self._context.clock.now(),
                )
        except ConflictError:
            return  # decided at this very moment: the next look sees how
        self._close("expired", f"no decision within {age} records")

    def _publish(self, episode: Episode, proposal: Proposal) -> Release | None:
        result = Result.model_validate(episode.result)
        member = result.members[REOPENED]
        installed = self._desk.install(
            members_directory(self._context, episode.id) / REOPENED, digest=proposal.digest
        )
        now = self._context.clock.now()
        published: list[Release] = []

        def publish(connection: Connection) -> None:
            proposals.move(connection, proposal.id, expected="approved", to="published", now=now)
            published.append(
                self._desk.promote(
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
                counts=result.concentrations,
                now=now,
            )
            episodes.close(connection, episode.id, outcome="released", reason=None, now=now)
            progress.clear(connection, self._context.stream)

        try:
            self._context.ledger.commit(self._context.database, publish)
        except ConflictError as error:
            self._context.ledger.add(
                lambda connection: proposals.move(
                    connection, proposal.id, expected="approved", to="expired", now=now
                )
            )
            self._close("failed", f"the champion has changed meanwhile: {error}")
            return None
        self._forget("released")
        return published[0]

    def _champion(self) -> Release:
        if self._lineup.release is None:
            raise RuntimeError("an episode needs a champion")
        return self._lineup.release

    def _seat(self, result: Result) -> None:
        if self._episode is None:
            raise RuntimeError("no episode is open")
        directory = members_directory(self._context, self._episode.id)
        self._lineup.seat(
            {name: directory / member.directory for name, member in result.members.items()}
        )

    def _keep_concentrations(self, digest: str, result: Result) -> None:
        now = self._context.clock.now()
        self._context.ledger.add(
            lambda connection: concentrations.save(
                connection,
                stream=self._context.stream,
                release_digest=digest,
                counts=result.concentrations,
                now=now,
            )
        )

    def _advance(
        self,
        state: str,
        *,
        plan: dict[str, Any] | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        if self._episode is None:
            raise RuntimeError("no episode is open")
        now = self._context.clock.now()
        self._episode = replace(
            self._episode,
            state=state,
            plan=self._episode.plan if plan is None else plan,
            result=self._episode.result if result is None else result,
        )
        id_ = self._episode.id
        self._context.ledger.add(
            lambda connection: episodes.advance(
                connection, id_, state=state, plan=plan, result=result, now=now
            ),
            is_urgent=True,
        )
        log.info("episode.advanced", stream=self._context.stream, episode=id_, state=state)

    def _close(self, outcome: str, reason: str) -> None:
        if self._episode is None:
            raise RuntimeError("no episode is open")
        id_, now = self._episode.id, self._context.clock.now()
        self._context.ledger.add(
            lambda connection: episodes.close(
                connection, id_, outcome=outcome, reason=reason, now=now
            ),
            is_urgent=True,
        )
        self._context.ledger.put_progress(
            lambda connection: progress.clear(connection, self._context.stream)
        )
        log.info(
            "episode.closed",
            stream=self._context.stream,
            episode=id_,
            outcome=outcome,
            reason=reason,
        )
        self._forget(outcome)
        self._on_close()

    def _forget(self, outcome: str) -> None:
        self._context.metrics.close_episode(self._context.stream, outcome)
        self._context.metrics.proposals_awaiting.labels(self._context.stream).set(0)
        self._episode = None
        self._trial = None
        self._is_working = False
        self._lineup.dismiss()

    def _show(self, phase: str, step: int, steps: int, loss: float | None = None) -> None:
        stream, clock = self._context.stream, self._context.clock
        episode = self._episode.id if self._episode is not None else None
        self._context.metrics.episode_step.labels(stream).set(step)
        self._context.metrics.episode_steps.labels(stream).set(steps)
        document = {"phase": phase, "step": step, "steps": steps, "loss": loss}
        self._context.ledger.put_progress(
            lambda connection: progress.report(
                connection, stream=stream, episode_id=episode, document=document, now=clock.now()
            )
        )


def _sentence(verdict: str, evidence: dict[str, Any]) -> str:
    accuracy = ", ".join(
        f"{name} {100 * value:.1f} %" for name, value in evidence["accuracy"].items()
    )
    return f"{verdict} after {evidence['records']} records: {accuracy}"
