"""Leads one stream's episode from its trigger to its outcome."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection

from adaptd.adaptation.job import RUNGS, Progress, Result
from adaptd.adaptation.trial import DEPLOYED, WEIGHTS_ONLY, Trial
from adaptd.adaptation.trigger import Trigger
from adaptd.architecture import Contract
from adaptd.daemon import recall
from adaptd.daemon.allowance import spend
from adaptd.daemon.climbing import fallback, good_enough, is_to_climb
from adaptd.daemon.context import StreamContext
from adaptd.daemon.diagnosing import Diagnostician
from adaptd.daemon.dossier import proposed
from adaptd.daemon.episode_log import EpisodeLog
from adaptd.daemon.lineup import Lineup
from adaptd.daemon.planning import (
    job_of,
    joined,
    macs_cap,
    members_directory,
    placed,
    plan,
    rungs_of,
    span,
    sweep_members,
)
from adaptd.daemon.proposal_desk import ProposalDesk
from adaptd.daemon.release_desk import ReleaseDesk
from adaptd.daemon.schedule import periodic
from adaptd.daemon.workshop import Failure, Workshop
from adaptd.errors import ArtifactError, ConflictError
from adaptd.observer.joined import Joined
from adaptd.observer.score import score
from adaptd.registry import concentrations, episodes, schedules, scores, spendings
from adaptd.registry.episodes import Episode
from adaptd.registry.releases import Release
from adaptd.stream.window import Window

log = structlog.get_logger()

# The champion's latest before a drift, by which is judged how far a remedy brings it back: enough
# for an accuracy within 3 points.
REFERENCE_RECORDS = 1_000


class Conductor:
    """The state machine of an episode: collecting, searching, trial, proposed, closed."""

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
        """on_close: called when an episode ends without a release."""
        self._context = context
        self._contract = contract
        self._window = window
        self._lineup = lineup
        self._log = EpisodeLog(context)
        self._proposals = ProposalDesk(context, desk)
        self._on_close = on_close
        self._trial: Trial | None = None
        self._workshop = Workshop(context)
        self._diagnostician = Diagnostician(
            window,
            contract=contract,
            block_records=context.config.alarm.block_records,
            predict=lambda x: lineup.predict(x)[self._champion().digest],
        )
        # Whether the first records since the drift have been looked at for a broken sensor.
        self._is_looked_at = False
        self._is_recall_begun = False

    def state(self) -> dict[str, Any]:
        """What the checkpoint keeps: the trial's counts. All else of an episode stands in its
        row."""
        return {"trial": None if self._trial is None else self._trial.state()}

    def restore(self, connection: Connection, state: dict[str, Any]) -> None:
        """Takes the open episode up where the store left it; a search that was cut off begins
        anew."""
        episode = self._log.restore(connection)
        if episode is None:
            return
        if episode.state == "trial" or state["trial"] is not None:
            try:
                self._seat(episode, Result.model_validate(episode.result))
            except ArtifactError as error:
                self._close("failed", f"a member of the trial is missing or damaged: {error}")
                return
            try:
                self._trial = Trial.restore(state["trial"])
            except ValueError as error:
                # Its rivals were others: what was counted against them does not carry over.
                self._close("failed", f"the trial was begun by another version of adaptd: {error}")
        elif episode.state == "proposed":
            self._proposals.restore(connection, episode)

    def on_records(self, joined: Joined, *, first_record: int) -> None:
        """Counts what the champion and the members of a running trial had said of records that
        nobody has trained on."""
        if self._trial is None or self._trial.verdict() != "running":
            return
        champion = joined.predictions.get(self._champion().digest)
        members = self._lineup.of_members(joined.predictions)
        if champion is None or members is None:
            return
        target = joined.batch.target
        hits = {
            name: score(said, target)[0] for name, said in {DEPLOYED: champion, **members}.items()
        }
        self._trial.update(hits, first_record=first_record)
        metrics, stream = self._context.metrics, self._context.stream
        metrics.trial_log_e_needed.labels(stream).set(-math.log(self._trial.alpha))
        for rival, log_value in self._trial.log_e_values().items():
            metrics.trial_log_e_value.labels(stream, rival).set(log_value)

    def step(self, *, is_exhausted: bool) -> Release | None:
        """Goes on as far as it can without waiting. Returns a release right after its publication.

        is_exhausted: the stream has ended, so what still needs records will not get them.
        """
        episode = self._log.current
        if episode is None:
            trigger = self._context.queue.take(self._context.stream)
            if trigger is not None:
                self._take(trigger)
            return None
        try:
            return self._go_on(episode, is_exhausted=is_exhausted)
        except ArtifactError as error:
            self._close("failed", f"files of the episode are missing or damaged: {error}")
            return None

    def _go_on(self, episode: Episode, *, is_exhausted: bool) -> Release | None:
        match episode.state:
            case "collecting":
                self._collect(episode, is_exhausted=is_exhausted)
            case "searching":
                self._search(episode)
            case "trial":
                self._judge(episode, is_exhausted=is_exhausted)
            case "proposed":
                return self._decide(episode)
        return None

    def _collect(self, episode: Episode, *, is_exhausted: bool) -> None:
        trigger = Trigger.from_document(episode.trigger)
        if not self._is_recall_begun:
            if not episode.result and recall.may_be_tried(trigger):
                self._begin_recall(episode, trigger)
            self._is_recall_begun = True
            return
        if self._trial is not None and self._is_recalled(episode, self._trial):
            return
        first, end = span(trigger, self._window, records=self._context.config.episode.records)
        collected = self._window.next_record - first
        self._log.show("collecting", collected, end - first)
        if is_exhausted:
            self._close(
                "refused",
                f"the stream has ended with {collected} of {end - first} training records; "
                "none can come for a trial",
            )
            return
        is_drift, since = trigger.kind == "drift", trigger.since_record
        if is_drift and not self._is_looked_at and self._diagnostician.can_see_outage(since):
            self._is_looked_at = True
            if (broken := self._diagnostician.outage(since)) is not None:
                self._hold(broken)
                return
        if self._window.next_record < end:
            return
        diagnosis = self._diagnostician.diagnosis(since) if is_drift else None
        if diagnosis is not None and (broken := self._diagnostician.broken(diagnosis)) is not None:
            self._hold(broken)
            return
        sweep_members(self._context, keep=episode.id)
        champion = self._champion()
        with self._context.database.read() as connection:
            cap = macs_cap(connection, self._context)
            prior = concentrations.load(connection, champion.digest)
            reference = self._reference_accuracy(connection, trigger)
        planned = plan(
            self._context,
            episode=episode.id,
            first=first,
            end=end,
            window=self._window,
            champion=champion,
            macs_cap=cap,
            concentrations=prior,
            reference_accuracy=reference,
        )
        if diagnosis is not None:
            planned["diagnosis"] = self._diagnostician.facts(diagnosis)
            log.info(
                "drift.diagnosed",
                stream=self._context.stream,
                episode=episode.id,
                kind=diagnosis.kind,
                channels=planned["diagnosis"]["channels"],
            )
        # Of earlier releases none has come to anything.
        self._trial = None
        self._lineup.drop_members()
        self._log.advance("searching", plan=planned, result={})

    def _reference_accuracy(self, connection: Connection, trigger: Trigger) -> float | None:
        if trigger.kind != "drift":
            return None
        return scores.accuracy_before(
            connection,
            self._context.stream,
            trigger.since_record,
            release_digest=self._champion().digest,
            records=REFERENCE_RECORDS,
        )

    def _begin_recall(self, episode: Episode, trigger: Trigger) -> None:
        """Lets earlier releases predict from now on, while records of the new concept come in."""
        champion = self._champion()
        with self._context.database.read() as connection:
            found = recall.earlier(connection, champion)
            reference = self._reference_accuracy(connection, trigger)
            own = recall.accuracies(connection, found)
        begun = {
            "reference_accuracy": reference,
            "own_accuracy": own,
            "champion": champion.digest,
        }
        if not found or good_enough(self._context.config.episode, begun) is None:
            return
        result = recall.seated(self._context, episode.id, found)
        if not result.members:
            return
        self._seat(episode, result)
        trial = self._context.config.trial
        self._trial = Trial.start(
            (DEPLOYED, *result.members),
            alpha=spend(self._context, episode=episode.id, kind="recall"),
            not_better_alpha=trial.alpha,
            minimum_records=min(recall.LEAST_RECORDS, trial.minimum_records),
            maximum_records=trial.maximum_records,
            remedies=[*result.members],
        )
        self._log.advance(
            "collecting",
            plan=begun,
            result=result.model_dump(mode="json"),
        )

    def _is_recalled(self, episode: Episode, trial: Trial) -> bool:
        """Proposes an earlier release that is proved to fit again, about as well as it did."""
        winner, plan = trial.winner, episode.plan
        if winner is None:
            return False
        # As good as it was itself, or as the champion was: which of the two concepts is the harder
        # one says nothing of the release.
        own = plan["own_accuracy"].get(winner, plan["reference_accuracy"])
        near = {"reference_accuracy": min(own, plan["reference_accuracy"])}
        enough = good_enough(self._context.config.episode, near)
        if (trial.accuracy(winner) or 0.0) < (enough or 0.0):
            return False
        with self._context.database.read() as connection:
            planned = recall.plan_of(connection, self._context, winner, episode.plan)
        self._log.advance("collecting", plan=planned)
        current = self._log.current
        if current is None:
            raise RuntimeError("an episode that recalls is open")
        self._propose(current, trial.evidence())
        return True

    def _hold(self, broken: str) -> None:
        """Nothing is learnt from broken data: the champion stays, and is there when the sensor
        is back."""
        self._close("held", f"a sensor is broken, which no model repairs: {broken}")

    def _search(self, episode: Episode) -> None:
        if self._workshop.is_idle:
            self._workshop.start(
                job_of(
                    self._context,
                    episode=episode.id,
                    plan=episode.plan,
                    champion=self._champion(),
                    contract=self._contract,
                )
            )
            return
        match self._workshop.poll(episode.id):
            case Progress() as at:
                self._log.show(at.phase, at.step, at.steps, at.loss)
            case Failure(outcome, reason):
                self._give_up(episode, outcome, reason)
            case Result() as found:
                result = placed(self._context, found, episode.plan)
                if episode.result:
                    result = joined(Result.model_validate(episode.result), result)
                self._begin_trial(episode, result)

    def _begin_trial(self, episode: Episode, result: Result) -> None:
        if result.concentrations:
            self._keep_concentrations(self._champion().digest, result)
        self._seat(episode, result)
        trial = self._context.config.trial
        self._trial = Trial.start(
            (DEPLOYED, *result.members),
            alpha=self._alpha(episode),
            # It releases nothing, so it spends nothing.
            not_better_alpha=trial.alpha,
            minimum_records=trial.minimum_records,
            maximum_records=trial.maximum_records,
            good_enough=good_enough(self._context.config.episode, episode.plan),
        )
        self._workshop.clear()
        self._log.advance("trial", result=result.model_dump(mode="json"))

    def _alpha(self, episode: Episode) -> float:
        """Of the trial that begins: all that the episode may spend, or a half of it where a second
        trial may follow, or has to make do with what the first one left."""
        if rungs_of(episode.plan) == RUNGS:
            return spend(self._context, episode=episode.id, kind="trial")
        if not episode.result:
            return spend(self._context, episode=episode.id, kind="trial") / 2
        with self._context.database.read() as connection:
            return spendings.of_episode(connection, episode.id, kind="trial").alpha / 2

    def _judge(self, episode: Episode, *, is_exhausted: bool) -> None:
        trial = self._trial
        if trial is None:
            raise RuntimeError(f"episode {episode.id} is in trial without one")
        verdict = trial.verdict()
        config = self._context.config
        if not is_exhausted and is_to_climb(config.episode, episode.plan, trial):
            self._climb(episode, trial)
        elif verdict == "better":
            self._propose(episode, trial.evidence())
        elif verdict == "running" and not is_exhausted:
            self._log.show("trial", trial.records, config.trial.minimum_records)
        elif verdict == "running":
            self._give_up(
                episode,
                "inconclusive",
                f"the stream ended after {trial.records} records of the trial",
            )
        elif verdict in ("not-better", "short"):
            self._give_up(episode, "no-better", _sentence("not better", trial.evidence()))
        else:
            self._give_up(
                episode, "inconclusive", _sentence("no evidence either way", trial.evidence())
            )

    def _give_up(self, episode: Episode, outcome: str, reason: str) -> None:
        """Ends an episode whose search came to nothing: with what new weights alone were proved to
        be worth before, if that is something, else without a proposal."""
        proved = fallback(episode.plan, self._trial)
        if proved is None:
            self._close(outcome, reason)
            return
        log.warning(
            "episode.falls_back",
            stream=self._context.stream,
            episode=episode.id,
            remedy=proved["winner"],
            outcome=outcome,
            reason=reason,
        )
        self._propose(episode, proved)

    def _propose(self, episode: Episode, evidence: Mapping[str, Any]) -> None:
        self._proposals.propose(
            episode,
            evidence=evidence,
            champion=self._champion(),
            record=self._window.next_record,
        )
        self._trial = None
        self._workshop.clear()
        self._lineup.drop_members()
        for state in episodes.STATES[episodes.STATES.index(episode.state) + 1 : -1]:
            self._log.advance(state)

    def _climb(self, episode: Episode, trial: Trial) -> None:
        evidence = trial.evidence()
        self._trial = None
        self._lineup.drop_members()
        self._log.advance(
            "searching",
            plan={**episode.plan, "rungs": ["reopen"], "weights_trial": evidence},
        )
        log.info(
            "episode.climbs",
            stream=self._context.stream,
            episode=episode.id,
            reference_accuracy=episode.plan["reference_accuracy"],
            **{
                f"accuracy_{name.replace('-', '_')}": evidence["accuracy"][name]
                for name in WEIGHTS_ONLY
            },
        )

    def _decide(self, episode: Episode) -> Release | None:
        proposal = self._proposals.look(episode)
        if proposal is None:
            return None
        age = self._window.next_record - proposal.created_record
        if proposal.state == "approved":
            try:
                release = self._proposals.publish(episode, proposal)
            except ConflictError as error:
                self._close("failed", f"the champion has changed meanwhile: {error}")
            except ArtifactError:
                self._proposals.withdraw(proposal)
                raise
            else:
                self._forget_triggers_before(episode.plan["end_record"])
                self._end("released")
                return release
        elif proposal.state == "rejected":
            if recall.is_recalled(proposed(proposal.evidence)):
                # The drift is still there: the next episode goes on without.
                trigger = recall.declined(Trigger.from_document(episode.trigger))
                self._context.queue.put(trigger)
            self._close("rejected", "rejected by a decision")
        elif age > self._context.config.approval.expires_records and self._proposals.expire(
            episode, proposal, reason=f"no decision within {age} records"
        ):
            self._end("expired")
            self._resume_alarms()
        return None

    def _take(self, trigger: Trigger) -> None:
        if trigger.kind == "schedule":
            # It fired in a thread of its own, which knows the time but not the stream.
            latest, now = self._window.next_record - 1, self._context.clock.now()
            trigger = replace(trigger, record=latest, since_record=latest)
            timing = periodic(self._context.config.schedule)
            due = None if timing is None else timing.get_next_fire_time(now, now)
            self._context.ledger.add(
                lambda connection: schedules.ran(
                    connection, self._context.stream, at=now, next_due=due
                )
            )
        self._log.open(trigger)

    def _champion(self) -> Release:
        if self._lineup.release is None:
            raise RuntimeError("an episode needs a champion")
        return self._lineup.release

    def _seat(self, episode: Episode, result: Result) -> None:
        directory = members_directory(self._context, episode.id)
        self._lineup.load_members(
            episode.id,
            {name: directory / member.directory for name, member in result.members.items()},
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

    def _close(self, outcome: str, reason: str) -> None:
        self._log.close(outcome, reason)
        self._clear()
        self._resume_alarms()

    def _resume_alarms(self) -> None:
        # A drift that waits for its own episode is known: alarms stay quiet until that is over.
        waiting = self._context.queue.waiting(self._context.stream)
        if all(trigger.kind != "drift" for trigger in waiting):
            self._on_close()

    def _forget_triggers_before(self, record: int) -> None:
        # The release has learnt from what came before; a later drift it has never seen.
        queue, stream = self._context.queue, self._context.stream
        later = [trigger for trigger in queue.waiting(stream) if trigger.since_record >= record]
        queue.forget(stream)
        for trigger in later:
            queue.put(trigger)

    def _end(self, outcome: str) -> None:
        self._log.forget(outcome)
        self._clear()

    def _clear(self) -> None:
        self._trial = None
        self._is_looked_at = False
        self._is_recall_begun = False
        self._workshop.clear()
        self._lineup.drop_members()


def _sentence(verdict: str, evidence: dict[str, Any]) -> str:
    accuracy = ", ".join(
        f"{name} {100 * value:.1f} %" for name, value in evidence["accuracy"].items()
    )
    return f"{verdict} after {evidence['records']} records: {accuracy}"
