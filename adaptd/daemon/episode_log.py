"""The open episode of one stream: how each of its moves is written, counted and shown."""

from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection
from ulid import ULID

from adaptd.adaptation.trigger import Trigger
from adaptd.daemon.context import StreamContext
from adaptd.registry import concentrations, episodes, progress
from adaptd.registry.episodes import Episode

log = structlog.get_logger()


class EpisodeLog:
    """At most one episode is open. Rows go through the ledger; `restore` rebuilds this from
    them."""

    def __init__(self, context: StreamContext) -> None:
        self._context = context
        self._open: Episode | None = None

    @property
    def current(self) -> Episode | None:
        """The open episode, if there is one."""
        return self._open

    def restore(self, connection: Connection) -> Episode | None:
        """Takes up the episode that the store knows as open."""
        self._open = episodes.active(connection, self._context.stream)
        if self._open is not None:
            self._show_open(Trigger.from_document(self._open.trigger))
            log.info(
                "episode.resumed",
                stream=self._context.stream,
                episode=self._open.id,
                state=self._open.state,
            )
        return self._open

    def open(self, trigger: Trigger) -> Episode:
        """Begins an episode. Raises RuntimeError if one is open."""
        if self._open is not None:
            raise RuntimeError("one episode at a time for each stream")
        now = self._context.clock.now()
        episode = Episode(
            id=str(ULID.from_datetime(now)),
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
        self._open = episode
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
        self._show_open(trigger)
        log.info(
            "episode.opened",
            stream=self._context.stream,
            episode=episode.id,
            trigger=trigger.kind,
        )
        return episode

    def advance(
        self,
        state: str,
        *,
        plan: dict[str, Any] | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        """Moves the open episode on, with what is new of its plan or its result."""
        episode = self._required()
        now = self._context.clock.now()
        self._open = replace(
            episode,
            state=state,
            plan=episode.plan if plan is None else plan,
            result=episode.result if result is None else result,
        )
        self._context.ledger.add(
            lambda connection: episodes.advance(
                connection, episode.id, state=state, plan=plan, result=result, now=now
            ),
            is_urgent=True,
        )
        log.info("episode.advanced", stream=self._context.stream, episode=episode.id, state=state)

    def diagnosed(self, kind: str, channels: list[str]) -> None:
        """Says what the drift of the open episode looks like."""
        log.info(
            "drift.diagnosed",
            stream=self._context.stream,
            episode=self._required().id,
            kind=kind,
            channels=channels,
        )

    def keep_concentrations(self, digest: str, counts: dict[str, dict[str, float]]) -> None:
        """Writes down what a search has learnt of the architecture parameters, with the
        champion."""
        now = self._context.clock.now()
        self._context.ledger.add(
            lambda connection: concentrations.save(
                connection,
                stream=self._context.stream,
                release_digest=digest,
                counts=counts,
                now=now,
            )
        )

    def close(self, outcome: str, reason: str) -> None:
        """Ends the open episode without a release."""
        episode, now = self._required(), self._context.clock.now()
        self._context.ledger.add(
            lambda connection: episodes.close(
                connection, episode.id, outcome=outcome, reason=reason, now=now
            ),
            is_urgent=True,
        )
        self.forget(outcome, reason=reason)

    def forget(self, outcome: str, *, reason: str | None = None) -> None:
        """The open episode's end stands in the store already, or in the ledger."""
        episode, metrics, stream = self._required(), self._context.metrics, self._context.stream
        self._context.ledger.put_progress(lambda connection: progress.clear(connection, stream))
        metrics.close_episode(stream, outcome)
        metrics.proposals_awaiting.labels(stream).set(0)
        if any(trigger.kind == "drift" for trigger in self._context.queue.waiting(stream)):
            metrics.drift_active.labels(stream).set(1)
        self._open = None
        log.info(
            "episode.closed",
            stream=stream,
            episode=episode.id,
            outcome=outcome,
            reason=reason,
        )

    def show(self, phase: str, step: int, steps: int, loss: float | None = None) -> None:
        """What a person sees of the running phase, on the page and in Prometheus."""
        stream, clock = self._context.stream, self._context.clock
        episode = self._required()
        self._context.metrics.episode_step.labels(stream).set(step)
        self._context.metrics.episode_steps.labels(stream).set(steps)
        document = {"schema_version": 1, "phase": phase, "step": step, "steps": steps, "loss": loss}
        self._context.ledger.put_progress(
            lambda connection: progress.report(
                connection,
                stream=stream,
                episode_id=episode.id,
                document=document,
                now=clock.now(),
            )
        )

    def _required(self) -> Episode:
        if self._open is None:
            raise RuntimeError("no episode is open")
        return self._open

    def _show_open(self, trigger: Trigger) -> None:
        metrics, stream = self._context.metrics, self._context.stream
        metrics.episode_active.labels(stream).set(1)
        if trigger.kind == "drift":
            metrics.drift_active.labels(stream).set(1)
