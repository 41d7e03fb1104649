"""The demo's facts as a story: one line for each thing that has happened."""

from dataclasses import dataclass
from datetime import datetime

from adaptd.cli.demo_facts import Facts
from adaptd.cli.demo_setup import Demo
from adaptd.registry.decisions import POLICY_PREFIX, Decision
from adaptd.registry.episodes import Episode
from adaptd.registry.proposals import Proposal
from adaptd.registry.releases import Release
from adaptd.server.wording import count, percent, phase, short

# Scenario -> what happens to the sensor, in the words of somebody who runs it.
DRIFTS = {
    "lag-shift": "the sensor is replaced: its echoes now come after long lags",
    "sampling-rate": "the sensor is resampled: the same waveforms, four times as fast and noisier",
}

# Too short to be worth a line: over before it is read, and back after each remedy.
BRIEF_PHASES = frozenset({"export"})


@dataclass(frozen=True)
class Event:
    """key: the same for the same event at every reading. at: None where the store keeps no time."""

    key: str
    text: str
    at: datetime | None = None


def events(facts: Facts, demo: Demo) -> list[Event]:
    """All that has happened so far, oldest first; the phase under way comes last."""
    found = [_released(release) for release in facts.releases]
    for alarm in facts.alarms:
        found.append(
            Event(
                f"alarm {alarm.id}",
                f"record {count(alarm.record)}: drift alarm ({alarm.signal}), "
                f"dated to record {count(alarm.since_record)}",
                alarm.at,
            )
        )
    for episode in facts.episodes:
        found.extend(_episode(episode))
    found.extend(_proposed(proposal) for proposal in facts.proposals)
    found.extend(_decided(decision) for decision in facts.decisions)
    found.sort(key=_time)
    if facts.records > demo.drift_at:
        drift = Event("drift", f"record {count(demo.drift_at)}: {DRIFTS[demo.scenario]}")
        found.insert(_place_of_drift(found, facts, demo), drift)
    if facts.progress is not None and facts.progress["phase"] not in BRIEF_PHASES:
        steps = facts.progress["steps"]
        found.append(
            Event(
                f"phase {facts.progress['episode_id']} {facts.progress['phase']}",
                f"{phase(facts.progress['phase'])}"
                + (f" ({count(steps)} {unit(facts.progress['phase'])})" if steps else ""),
            )
        )
    return found


def _place_of_drift(found: list[Event], facts: Facts, demo: Demo) -> int:
    # The store keeps no time for it: it belongs before the first alarm that it can have caused.
    caused = {f"alarm {alarm.id}" for alarm in facts.alarms if alarm.record >= demo.drift_at}
    places = (place for place, event in enumerate(found) if event.key in caused)
    return next(places, len(found))


def unit(phase_name: str) -> str:
    """What a phase counts."""
    return "records" if phase_name in ("collecting", "trial") else "steps"


def _time(event: Event) -> datetime:
    assert event.at is not None
    return event.at


def _released(release: Release) -> Event:
    text = (
        "release 1 is trained on the first window and published"
        if release.number == 1
        else f"release {release.number} is published and takes over in the running daemon"
    )
    return Event(
        f"release {release.digest}", f"{text} ({short(release.digest)})", release.created_at
    )


def _episode(episode: Episode) -> list[Event]:
    found = [
        Event(
            f"opened {episode.id}",
            f"an episode begins ({episode.trigger['kind']}); "
            "it needs labelled records from after the drift",
            episode.opened_at,
        )
    ]
    if episode.closed_at is not None:
        reason = f": {episode.reason}" if episode.reason else ""
        found.append(
            Event(
                f"closed {episode.id}",
                f"the episode ends, {episode.outcome}{reason}",
                episode.closed_at,
            )
        )
    return found


def _proposed(proposal: Proposal) -> Event:
    accuracy = proposal.evidence["accuracy"]
    winner = proposal.evidence.get("challenger", "reopened")
    others = ", ".join(
        f"{percent(accuracy[name])} {name}"
        for name in (
            "reopened-wider",
            "reopened",
            "prior-corrected",
            "recalibrated",
            "fine-tuned",
            "retrained",
            "shrink-perturbed",
        )
        if name in accuracy and name != winner
    )
    return Event(
        f"proposal {proposal.id}",
        f"{winner} passed its trial and is proposed: {percent(accuracy[winner])} right, "
        f"beside {others}, on {count(proposal.evidence['records'])} live records",
        proposal.created_at,
    )


def _decided(decision: Decision) -> Event:
    by = (
        f"{decision.actor}: the demo's own policy, no person looked at it"
        if decision.actor.startswith(POLICY_PREFIX)
        else f"{decision.actor} ({decision.comment})"
    )
    verb = "approved" if decision.verdict == "approve" else "rejected"
    return Event(f"decision {decision.number}", f"{verb} by {by}", decision.at)
