"""`TrialDesk`: the trial of one stream's episode, and what a replay of it needs."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.adaptation.counted import Counted
from adaptd.adaptation.job import Result
from adaptd.adaptation.trial import DEPLOYED, WEIGHTS_ONLY, Trial
from adaptd.architecture import Architecture
from adaptd.daemon.context import StreamContext
from adaptd.observer.answers import Answers
from adaptd.registry import trials
from adaptd.telemetry.provenance import provenance


class TrialDesk:
    """At most one trial runs. Its row is written when it begins and when it ends; what it has
    counted in between is part of the checkpoint."""

    def __init__(self, context: StreamContext) -> None:
        self._context = context
        self._episode = ""
        self._trial: Trial | None = None
        self._counted = Counted()

    @property
    def current(self) -> Trial | None:
        """The trial, from its beginning until it is ended, also once it has a verdict."""
        return self._trial

    def begin(
        self,
        episode: str,
        result: Result,
        *,
        kind: str,
        first_record: int,
        alpha: float,
        minimum_records: int,
        good_enough: float | None = None,
        remedies: Collection[str] = WEIGHTS_ONLY,
    ) -> None:
        """Begins with nothing counted, between the result's members and the deployed model.

        kind: of `registry.trials`. first_record: the stream's next. The rest as of `Trial.start`.
        """
        config = self._context.config
        terms: dict[str, Any] = {
            "alpha": alpha,
            # It releases nothing, so it spends nothing.
            "not_better_alpha": config.trial.alpha,
            "minimum_records": minimum_records,
            "maximum_records": config.trial.maximum_records,
            "good_enough": good_enough,
            "remedies": list(remedies),
        }
        names = [DEPLOYED, *result.members]
        self._trial = Trial.start(names, **terms)
        self._counted = Counted()
        self._episode = episode
        written = {
            **terms,
            "names": names,
            # Then nobody can predict again what was observed.
            "are_answers_recorded": config.record is not None
            and config.record.prediction is not None,
        }
        members = {
            name: {
                "architecture": Architecture.from_document(member.architecture).digest,
                "weights": member.weights,
            }
            for name, member in result.members.items()
        }
        now = self._context.clock.now()
        self._context.ledger.add(
            lambda connection: trials.begin(
                connection,
                episode_id=episode,
                stream=self._context.stream,
                kind=kind,
                terms=written,
                members=members,
                made_by={"training": result.made_by, "trial": provenance()},
                first_record=first_record,
                now=now,
            )
        )

    def count(
        self,
        answers: Answers,
        *,
        champion: str,
        members: Mapping[str, NDArray[np.bool_]] | None,
    ) -> None:
        """Counts where the champion and the members of the trial were right about records that
        nobody has trained on. members: None where one of them had said nothing yet."""
        trial = self._trial
        deployed = answers.hits.get(champion)
        if trial is None or trial.verdict() != "running" or deployed is None or members is None:
            return
        before = trial.records
        trial.update({DEPLOYED: deployed, **members}, first_record=answers.first_record)
        self._counted.add(answers.first_record, deployed[: trial.records - before])
        metrics, stream = self._context.metrics, self._context.stream
        metrics.trial_log_e_needed.labels(stream).set(-math.log(trial.alpha))
        for rival, log_value in trial.log_e_values().items():
            metrics.trial_log_e_value.labels(stream, rival).set(log_value)

    def end(self) -> None:
        """Writes down what was counted and what came of it. Does nothing where none runs."""
        if self._trial is None:
            return
        episode, now = self._episode, self._context.clock.now()
        evidence, counted = self._trial.evidence(), self._counted.state()
        end_record = self._counted.ranges[-1][1] if self._counted.ranges else 0
        self._trial = None
        self._context.ledger.add(
            lambda connection: trials.end(
                connection,
                episode,
                end_record=end_record,
                counted=counted,
                evidence=evidence,
                now=now,
            )
        )

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        if self._trial is None:
            return {"trial": None}
        return {"trial": self._trial.state(), "counted": self._counted.state()}

    def restore(self, episode: str, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken. Raises ValueError for another version's."""
        self._trial = Trial.restore(state["trial"])
        # A checkpoint of a version that kept nothing to replay: neither is there a row.
        self._counted = Counted.restore(state["counted"]) if "counted" in state else Counted()
        self._episode = episode
