"""`StreamView`: a stream as its page shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from sqlalchemy import Connection

from adaptd.architecture import diff
from adaptd.registry.alarms import AlarmRow
from adaptd.registry.releases import Release
from adaptd.server import accuracy_plot, proposal_view, watch_view
from adaptd.server.accuracy_plot import WINDOW_RECORDS, AccuracyPlot, Block, Mark, Span
from adaptd.server.proposal_view import TRIGGERS, ProposalView
from adaptd.server.stream_state import StreamState
from adaptd.server.watch_view import WatchView
from adaptd.server.wording import phase

# State of an episode -> what a person calls that part of it, in order.
EPISODE_STEPS = {
    "collecting": "Collect records",
    "searching": "Train the remedies, search",
    "trial": "Trial on live records",
    "proposed": "Decision",
}


@dataclass(frozen=True)
class Status:
    """One chip: what the stream is at."""

    kind: Literal["steady", "busy", "awaiting", "starting"]
    text: str


@dataclass(frozen=True)
class Step:
    """One part of an episode, and whether it is over, under way or still to come."""

    title: str
    state: Literal["done", "now", "later"]


@dataclass(frozen=True)
class Progress:
    """The phase under way. steps: 0 where it counts nothing; loss: None if unknown."""

    title: str
    step: int
    steps: int
    loss: float | None


@dataclass(frozen=True)
class Plots:
    """The same plot for wide screens and for phones."""

    wide: AccuracyPlot
    narrow: AccuracyPlot
    window: int = WINDOW_RECORDS


@dataclass(frozen=True)
class ReleaseRow:
    """A release, what it changed in its parent's architecture, one edit each, and its watch."""

    release: Release
    changes: tuple[str, ...]
    watch: WatchView | None


@dataclass(frozen=True)
class StreamView:
    """All that the page says. plots: None before the first scores; releases: newest first; watch:
    the one that runs."""

    state: StreamState
    status: Status
    plots: Plots | None
    episode_title: str
    steps: tuple[Step, ...]
    progress: Progress | None
    proposals: tuple[ProposalView, ...]
    releases: tuple[ReleaseRow, ...]
    watch: WatchView | None


def view(connection: Connection, state: StreamState, *, now: datetime) -> StreamView:
    """Everything the page says, from what one read transaction saw."""
    progress = _progress(state.progress)
    watched = watch_view.views(state.watches, state.releases)
    return StreamView(
        state=state,
        status=_status(state, progress),
        plots=_plots(state),
        episode_title=_episode_title(state),
        steps=_steps(state),
        progress=progress,
        proposals=tuple(
            proposal_view.view(connection, proposal, now=now) for proposal in state.awaiting
        ),
        releases=_release_rows(state.releases, watched),
        watch=next((one for one in watched.values() if one.watch.outcome is None), None),
    )


def _status(state: StreamState, progress: Progress | None) -> Status:
    if state.awaiting:
        return Status("awaiting", "a proposal awaits a decision")
    if state.episode is not None:
        text = progress.title if progress else EPISODE_STEPS.get(state.episode.state, "episode")
        return Status("busy", text.lower())
    if state.champion is None:
        return Status("starting", progress.title if progress else "waiting for the first window")
    if state.triggers.queue:
        return Status("busy", "a trigger waits")
    if any(watch.outcome is None for watch in state.watches):
        return Status("steady", f"release {state.champion.number} is watched")
    return Status("steady", "steady")


def _progress(document: dict[str, Any] | None) -> Progress | None:
    if document is None:
        return None
    step, steps, loss = (document.get(key) for key in ("step", "steps", "loss"))
    if not (isinstance(step, int) and isinstance(steps, int) and steps > 0):
        step = steps = 0
    title = phase(str(document.get("phase", "working")))
    return Progress(
        title=title[:1].upper() + title[1:],
        step=min(step, steps),
        steps=steps,
        loss=loss if isinstance(loss, float) else None,
    )


def _episode_title(state: StreamState) -> str:
    if state.episode is None:
        return "First release"
    kind = str(state.episode.trigger.get("kind", ""))
    return f"Episode, begun by {TRIGGERS.get(kind, kind or 'an unnamed trigger')}"


def _steps(state: StreamState) -> tuple[Step, ...]:
    if state.episode is None:
        if state.champion is not None or state.progress is None:
            return ()
        is_training = state.progress.get("phase") != "collecting"
        return (
            Step("Collect the first window", "done" if is_training else "now"),
            Step("Make release 1", "now" if is_training else "later"),
        )
    order = list(EPISODE_STEPS)
    here = order.index(state.episode.state) if state.episode.state in order else len(order)
    return tuple(
        Step(title, "done" if index < here else "now" if index == here else "later")
        for index, title in enumerate(EPISODE_STEPS.values())
    )


def _plots(state: StreamState) -> Plots | None:
    blocks = [
        Block(score.first_record, score.records, score.hits, score.release_digest)
        for score in state.series
    ]
    marks, spans = _marks(state), _spans(state)
    wide = accuracy_plot.draw(blocks, marks=marks, spans=spans)
    narrow = accuracy_plot.draw(blocks, marks=marks, spans=spans, width=420, height=280)
    return Plots(wide, narrow) if wide and narrow else None


def _takeovers(state: StreamState) -> list[tuple[int, str]]:
    """(first record that a release predicted, its digest), for all but the first in the series."""
    return [
        (later.first_record, later.release_digest)
        for earlier, later in pairwise(state.series)
        if earlier.release_digest != later.release_digest
    ]


def _marks(state: StreamState) -> list[Mark]:
    numbers = {release.digest: release.number for release in state.releases}
    marks = [Mark("alarm", alarm.record, f"alarm: {alarm.signal}") for alarm in _dated(state)]
    marks += [
        Mark("release", record, f"release {numbers.get(digest, '?')}")
        for record, digest in _takeovers(state)
    ]
    marks += [Mark("proposal", item.created_record, "proposal") for item in state.awaiting]
    return marks


def _dated(state: StreamState) -> list[AlarmRow]:
    """Alarms that have a place among labelled records, which are what is plotted."""
    return [alarm for alarm in state.alarms if alarm.numbering == "labelled"]


def _spans(state: StreamState) -> list[Span]:
    """From each dated change to the release that answered it, or to now while an episode runs."""
    if not state.series:
        return []
    takeovers = [record for record, _ in _takeovers(state)]
    spans = []
    alarms = _dated(state)
    for alarm in alarms:
        answer = next((record for record in takeovers if record > alarm.record), None)
        if answer is not None:
            spans.append(Span(alarm.since_record, answer))
        elif state.episode is not None and alarm is alarms[0]:
            last = state.series[-1]
            spans.append(Span(alarm.since_record, last.first_record + last.records))
    return spans


def _release_rows(
    releases: tuple[Release, ...], watched: Mapping[str, WatchView]
) -> tuple[ReleaseRow, ...]:
    by_digest = {release.digest: release for release in releases}
    came_back = {
        one.watch.rollback_digest: (f"release {one.predecessor} brought back",)
        for one in watched.values()
    }
    return tuple(
        ReleaseRow(
            release,
            came_back.get(release.digest) or _changes(by_digest.get(release.parent or ""), release),
            watched.get(release.digest),
        )
        for release in releases
    )


def _changes(parent: Release | None, release: Release) -> tuple[str, ...]:
    if parent is None:
        return ("first release",)
    try:
        edits = diff(parent.architecture, release.architecture)
    except ValueError:
        return ("another network",)
    return tuple(str(edit) for edit in edits) or ("weights only",)
