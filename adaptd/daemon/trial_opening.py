"""`TrialOpening`: seats the members of an episode's trials, and begins them."""

from adaptd.adaptation.job import Result
from adaptd.adaptation.trigger import Trigger
from adaptd.daemon import recall
from adaptd.daemon.allowance import spend
from adaptd.daemon.climbing import good_enough, last_rung, share_of_trial
from adaptd.daemon.context import StreamContext
from adaptd.daemon.episode_log import EpisodeLog
from adaptd.daemon.forgetting import OLD_CONCEPTS, measured
from adaptd.daemon.lineup import Lineup
from adaptd.daemon.planning import members_directory, rungs_of
from adaptd.daemon.reservoir import Reservoir
from adaptd.daemon.trial_desk import TrialDesk
from adaptd.registry import spendings, trials
from adaptd.registry.episodes import Episode
from adaptd.registry.releases import Release
from adaptd.stream.window import Window


class TrialOpening:
    """What a trial needs of the store is read before anything is begun: where the store is away,
    `recall` and `remedies` raise StoreUnavailable, and are asked again."""

    def __init__(
        self,
        context: StreamContext,
        *,
        window: Window,
        lineup: Lineup,
        reservoir: Reservoir,
        log: EpisodeLog,
        desk: TrialDesk,
    ) -> None:
        self._context = context
        self._window = window
        self._lineup = lineup
        self._reservoir = reservoir
        self._log = log
        self._desk = desk

    def seat(self, episode: Episode, result: Result) -> None:
        """Lets the members predict from now on. Raises ArtifactError for files that are damaged."""
        directory = members_directory(self._context, episode.id)
        self._lineup.load_members(
            episode.id,
            {name: directory / member.directory for name, member in result.members.items()},
        )

    def recall(self, episode: Episode, trigger: Trigger, champion: Release) -> None:
        """Begins a trial of earlier releases, if there are some, while records of the new concept
        come in."""
        with self._context.database.read() as connection:
            found, begun = recall.begun(connection, champion, trigger)
        if not found or good_enough(self._context.config.episode, begun) is None:
            return
        result = recall.seated(self._context, episode.id, found)
        if not result.members:
            return
        self.seat(episode, result)
        old_concepts = measured(self._lineup, self._reservoir.samples())
        trial = self._context.config.trial
        self._desk.begin(
            episode.id,
            result,
            kind=trials.RECALL,
            first_record=self._window.next_record,
            alpha=spend(self._context, episode=episode.id, kind="recall"),
            minimum_records=min(recall.LEAST_RECORDS, trial.minimum_records),
            remedies=[*result.members],
        )
        self._log.advance(
            "collecting",
            plan={**begun, OLD_CONCEPTS: old_concepts},
            result=result.model_dump(mode="json"),
        )

    def remedies(self, episode: Episode, result: Result, champion: Release) -> None:
        """Begins the trial of what the episode has trained."""
        self.seat(episode, result)
        old_concepts = measured(self._lineup, self._reservoir.samples())
        alpha = self._alpha(episode)
        if result.concentrations:
            self._log.keep_concentrations(champion.digest, result.concentrations)
        self._desk.begin(
            episode.id,
            result,
            kind="-".join(rungs_of(episode.plan)),
            first_record=self._window.next_record,
            alpha=alpha,
            minimum_records=self._context.config.trial.minimum_records,
            good_enough=None
            if last_rung(episode.plan) in rungs_of(episode.plan)
            else good_enough(self._context.config.episode, episode.plan),
        )
        self._log.advance(
            "trial",
            plan={**episode.plan, OLD_CONCEPTS: old_concepts},
            result=result.model_dump(mode="json"),
        )

    def close(self) -> None:
        """Ends the trial, and lets its members go."""
        self._desk.end()
        self._lineup.drop_members()

    def _alpha(self, episode: Episode) -> float:
        """Of the trial that begins: its share of what the episode spends."""
        share = share_of_trial(episode.plan)
        if not episode.result:
            return share * spend(self._context, episode=episode.id, kind="trial")
        with self._context.database.read() as connection:
            return share * spendings.of_episode(connection, episode.id, kind="trial").alpha
