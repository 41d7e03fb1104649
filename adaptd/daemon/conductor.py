"""Leads one stream's episode from its trigger to its outcome."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from sqlalchemy import Connection

from adaptd.adaptation.job import Progress, Result
from adaptd.adaptation.trial import CHALLENGERS, WEIGHTS_ONLY, Trial
from adaptd.adaptation.trigger import Trigger
from adaptd.architecture import Contract
from adaptd.daemon import archive, recall
from adaptd.daemon.climbing import (
    after_job,
    climbed,
    end_of_refused,
    fallback,
    falls_behind_earlier,
    given_up,
    is_to_climb,
    last_rung,
)
from adaptd.daemon.context import StreamContext
from adaptd.daemon.diagnosing import Diagnostician
from adaptd.daemon.dossier import proposed
from adaptd.daemon.episode_log import EpisodeLog
from adaptd.daemon.limits import (
    with_what_was_left_out,
    within_limits,
    without_challenger,
)
from adaptd.daemon.lineup import Lineup
from adaptd.daemon.planning import (
    job_of,
    joined,
    placed,
    plan,
    rungs_of,
)
from adaptd.daemon.proposal_desk import ProposalDesk
from adaptd.daemon.reasons import HELD_SINCE, ended, held, without_proof
from adaptd.daemon.release_desk import ReleaseDesk
from adaptd.daemon.reservoir import Reservoir
from adaptd.daemon.training_records import choose
from adaptd.daemon.trial_desk import TrialDesk
from adaptd.daemon.trial_opening import TrialOpening
from adaptd.daemon.trigger_desk import TriggerDesk
from adaptd.daemon.workshop import Failure, Workshop
from adaptd.errors import ArtifactError, ConflictError
from adaptd.observer.answers import Answers
from adaptd.observer.outages import Outages
from adaptd.registry import episodes
from adaptd.registry.episodes import Episode
from adaptd.registry.releases import Release
from adaptd.stream.window import Window

log = structlog.get_logger()


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
        triggers: TriggerDesk,
        outages: Outages,
        on_close: Callable[[str], None],
    ) -> None:
        """on_close: called with the outcome of an episode that ends without a release."""
        self._context = context
        self._contract = contract
        self._window = window
        self._lineup = lineup
        self._log = EpisodeLog(context)
        self._proposals = ProposalDesk(context, desk)
        self._triggers = triggers
        self._outages = outages
        self._on_close = on_close
        self._trials = TrialDesk(context)
        self._workshop = Workshop(context)
        self._reservoir = Reservoir(context, window, outages)
        self._opening = TrialOpening(
            context,
            window=window,
            lineup=lineup,
            reservoir=self._reservoir,
            log=self._log,
            desk=self._trials,
        )
        self.diagnostician = Diagnostician(
            window,
            contract=contract,
            outages=outages,
            block_records=context.config.alarm.block_records,
            predict=lambda x: lineup.predict(x)[self._champion().digest],
        )
        # Whether the first records since the drift have been looked at for a broken sensor.
        self._is_looked_at = False
        self._is_begun = False

    def state(self) -> dict[str, Any]:
        """What the checkpoint keeps: the trial's counts, and what triggers wait for. All else of an
        episode stands in its row."""
        return {
            **self._trials.state(),
            "triggers": self._triggers.state(is_episode_open=self._log.current is not None),
        }

    def restore(self, connection: Connection, state: dict[str, Any]) -> None:
        """Takes the open episode up where the store left it; a search that was cut off goes
        on where its worker stood."""
        self._triggers.restore(connection, state.get("triggers"))
        self._reservoir.sweep(connection)
        episode = self._log.restore(connection)
        if episode is None:
            return
        if episode.state == "trial" or state["trial"] is not None:
            try:
                self._opening.seat(episode, Result.model_validate(episode.result))
            except ArtifactError as error:
                self._close("failed", f"a member of the trial is missing or damaged: {error}")
                return
            try:
                self._trials.restore(episode.id, state)
            except ValueError as error:
                # Its rivals were others: what was counted against them does not carry over.
                self._close("failed", f"the trial was begun by another version of adaptd: {error}")
        elif episode.state == "proposed":
            self._proposals.restore(connection, episode)

    def close(self) -> None:
        """Ends the worker, which keeps where it stands."""
        self._workshop.clear()

    def on_answers(self, answers: Answers) -> None:
        """Counts where the champion and the members of a running trial were right about records
        that nobody has trained on."""
        if self._trials.current is not None:
            self._trials.count(
                answers,
                champion=self._champion().digest,
                members=self._lineup.of_members(answers.hits),
            )

    def step(self, *, is_exhausted: bool) -> Release | None:
        """Goes on as far as it can without waiting. Returns a release right after its publication.

        is_exhausted: the stream has ended, so what still needs records will not get them.
        """
        episode = self._log.current
        self._triggers.step(self._log)
        if episode is None:
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
        if not self._is_begun:
            self._begin(episode, trigger)
            return
        if self._trials.current is not None and self._is_recalled(episode, self._trials.current):
            return
        wanted = self._context.config.episode
        chosen = choose(
            trigger,
            self._window,
            self._outages,
            held_back=self._reservoir.held_back(),
            records=wanted.records,
            minimum=wanted.minimum_records,
        )
        self._log.show("collecting", chosen.count, chosen.wanted)
        if is_exhausted:
            self._close("refused", ended(chosen.count, chosen.wanted))
            return
        is_drift, since = trigger.kind == "drift", trigger.since_record
        if is_drift and not self._is_looked_at and self.diagnostician.can_see_outage(since):
            self._is_looked_at = True
            if (broken := self.diagnostician.outage(since)) is not None:
                self._close("held", held(broken))
                return
        if not chosen.are_there:
            return
        diagnosis = self.diagnostician.diagnosis(since) if is_drift else None
        if diagnosis is not None and (broken := self.diagnostician.broken(diagnosis)) is not None:
            self._close("held", held(broken))
            return
        archive.sweep(self._context, opening=episode.id)
        planned = plan(
            self._context,
            episode=episode.id,
            trigger=trigger,
            chosen=chosen,
            window=self._window,
            champion=self._champion(),
            diagnosis=None if diagnosis is None else self.diagnostician.facts(diagnosis),
            old_concepts=self._reservoir.samples(),
        )
        if diagnosis is not None:
            self._log.diagnosed(diagnosis.kind, planned["diagnosis"]["channels"])
        # Of earlier releases none has come to anything.
        self._opening.close()
        self._log.advance("searching", plan=planned, result={})

    def _begin(self, episode: Episode, trigger: Trigger) -> None:
        """May be repeated where the store was away in the middle of it."""
        if self.diagnostician.is_of_outage(trigger):
            self._close("held", HELD_SINCE)
            return
        self._reservoir.take(trigger, self._champion())
        if not episode.result and recall.may_be_tried(trigger):
            self._opening.recall(episode, trigger, self._champion())
        self._is_begun = True

    def _is_recalled(self, episode: Episode, trial: Trial) -> bool:
        """Proposes an earlier release that is proved to fit again, about as well as it did."""
        winner, config = trial.winner, self._context.config.episode
        if winner is None or not recall.fits_again(winner, config, episode.plan, trial):
            return False
        with self._context.database.read() as connection:
            planned = recall.plan_of(connection, self._context, winner, episode.plan)
        self._log.advance("collecting", plan=planned)
        current = self._log.current
        if current is None:
            raise RuntimeError("an episode that recalls is open")
        self._propose(current, trial.evidence())
        return True

    @property
    def is_after_drift(self) -> bool:
        """Whether a drift has its episode, or waits for it: alarms are quiet until that is over."""
        current = self._log.current
        is_open = current is not None and current.trigger["kind"] == "drift"
        return is_open or self._triggers.is_drift_waiting

    def hold(self, trigger: Trigger, broken: str) -> None:
        """Nothing is learnt from broken data: the champion stays, and is there when the sensor is
        back. An episode that has other records, from before or from after, is left alone."""
        current = self._log.current
        if current is None:
            self._log.open(trigger)
        elif current.state != "collecting" or not self.diagnostician.is_of_outage(
            Trigger.from_document(current.trigger)
        ):
            return
        self._close("held", held(broken))

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
                self._give_up(episode, *end_of_refused(episode.plan, outcome, reason))
            case Result() as found:
                self._take(episode, found)

    def _take(self, episode: Episode, found: Result) -> None:
        """What a job gave: to its trial, or, with nothing to try, on to the next search."""
        result = within_limits(placed(self._context, found, episode.plan), episode.plan)
        nothing = without_challenger(result, rungs_of(episode.plan))
        if episode.result:
            result = joined(Result.model_validate(episode.result), result)
        following = after_job(episode.plan, nothing)
        if nothing is None or following == "trial":
            self._opening.remedies(episode, result, self._champion())
            self._workshop.clear()
        elif following == "search":
            self._workshop.clear()
            self._log.advance(
                "searching",
                plan={**episode.plan, "rungs": [last_rung(episode.plan)]},
                result=result.model_dump(mode="json"),
            )
        else:
            self._give_up(episode, *end_of_refused(episode.plan, "refused", nothing))

    def _judge(self, episode: Episode, *, is_exhausted: bool) -> None:
        trial = self._trials.current
        if trial is None:
            raise RuntimeError(f"episode {episode.id} is in trial without one")
        verdict = trial.verdict()
        config = self._context.config
        if not is_exhausted and is_to_climb(config.episode, episode.plan, trial):
            self._climb(episode, trial)
        elif verdict == "better" and falls_behind_earlier(episode.plan, trial):
            self._give_up(episode, "no-better", without_proof("not better", trial.evidence()))
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
            self._give_up(episode, "no-better", without_proof("not better", trial.evidence()))
        else:
            self._give_up(
                episode, "inconclusive", without_proof("no evidence either way", trial.evidence())
            )

    def _give_up(self, episode: Episode, outcome: str, reason: str) -> None:
        """Ends an episode whose search came to nothing: with what new weights alone were proved to
        be worth before, if that is something, else without a proposal."""
        reason = with_what_was_left_out(reason, episode.result)
        proved = fallback(episode.plan, self._trials.current)
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
        self._log.advance(episode.state, plan=given_up(episode.plan, outcome, reason))
        self._propose(episode, proved)

    def _propose(self, episode: Episode, evidence: Mapping[str, Any]) -> None:
        self._proposals.propose(
            episode,
            evidence=evidence,
            champion=self._champion(),
            record=self._window.next_record,
        )
        self._opening.close()
        self._workshop.clear()
        for state in episodes.STATES[episodes.STATES.index(episode.state) + 1 : -1]:
            self._log.advance(state)

    def _climb(self, episode: Episode, trial: Trial) -> None:
        evidence = trial.evidence()
        self._opening.close()
        self._log.advance(
            "searching",
            plan=climbed(episode.plan, episode.result, evidence),
        )
        log.info(
            "episode.climbs",
            stream=self._context.stream,
            episode=episode.id,
            reference_accuracy=episode.plan["reference_accuracy"],
            **{
                f"accuracy_{name.replace('-', '_')}": evidence["accuracy"][name]
                for name in (*WEIGHTS_ONLY, *CHALLENGERS)
                if name in evidence["accuracy"]
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
                self._triggers.forget_before(
                    recall.answered_before(
                        proposed(proposal.evidence),
                        end_record=episode.plan["end_record"],
                        created_record=proposal.created_record,
                    )
                )
                self._end("released")
                return release
        elif proposal.state == "rejected":
            if recall.is_recalled(proposed(proposal.evidence)):
                # The drift is still there: the next episode goes on without.
                trigger = recall.declined(Trigger.from_document(episode.trigger))
                self._triggers.put(trigger)
            self._close("rejected", "rejected by a decision")
        elif age > self._context.config.approval.expires_records and self._proposals.expire(
            episode, proposal, reason=f"no decision within {age} records"
        ):
            self._end("expired")
            self._resume_alarms("expired")
        return None

    def _champion(self) -> Release:
        if self._lineup.release is None:
            raise RuntimeError("an episode needs a champion")
        return self._lineup.release

    def _close(self, outcome: str, reason: str) -> None:
        self._log.close(outcome, reason)
        # Nothing was done where a sensor was broken: no cool-down comes of it.
        self._clear(cools_down=outcome != "held")
        self._resume_alarms(outcome)

    def _resume_alarms(self, outcome: str) -> None:
        # A drift that waits for its own episode is known: alarms stay quiet until that is over.
        if not self._triggers.is_drift_waiting:
            self._on_close(outcome)

    def give_way(self) -> None:
        """Another release was published, and the open episode ended with it in the store. A drift
        that waits was one of the release that is gone."""
        self._workshop.clear()
        self._triggers.forget_drift()
        self._context.metrics.drift_active.labels(self._context.stream).set(0)
        if self._log.current is not None:
            self._end("failed")

    def _end(self, outcome: str) -> None:
        self._log.forget(outcome)
        self._clear()

    def _clear(self, *, cools_down: bool = True) -> None:
        if cools_down:
            self._triggers.ended()
        self._opening.close()
        self._is_looked_at = False
        self._is_begun = False
        self._workshop.clear()
