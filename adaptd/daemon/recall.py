"""The first rung: earlier releases, which may fit again when an old concept returns."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection

from adaptd.adaptation.job import Member, Result
from adaptd.adaptation.trial import Trial
from adaptd.adaptation.trigger import Trigger
from adaptd.config import EpisodeConfig
from adaptd.daemon.climbing import good_enough
from adaptd.daemon.context import StreamContext
from adaptd.daemon.planning import macs_cap, members_directory
from adaptd.daemon.reference import reference_accuracy
from adaptd.errors import ArtifactError
from adaptd.registry import artifact, concentrations, episodes, manifest, releases, watches
from adaptd.registry.releases import Release

log = structlog.get_logger()

# The latest of them that are tried. Each predicts every record while it is.
MOST_RECALLED = 4
# Before which none is proposed: a wrong one would have to be lucky on all of them.
LEAST_RECORDS = 128

# Of an accuracy's sampling error, by which a release may lie below what it had (one-sided 95 %).
_DEVIATIONS = 1.645

_FOLDER = "recall"
_PREFIX = "release-"
# What a trigger says whose episode was to bring back an earlier release, which was declined.
_DECLINED = "an earlier release was declined"


def name_of(release: Release) -> str:
    """What an earlier release is called among those that it is compared with."""
    return f"{_PREFIX}{release.number}"


def is_recalled(name: str) -> bool:
    """Whether a member of a trial is an earlier release."""
    return name.startswith(_PREFIX)


def answered_before(winner: str, *, end_record: int, created_record: int) -> int:
    """Number of the record up to which drifts are answered by a release of the winner: up to the
    end of what it has learnt from; of an earlier release, which learnt long ago, up to where it was
    proved to fit again.

    end_record: of the plan. created_record: of the proposal.
    """
    return created_record if is_recalled(winner) else end_record


def may_reach(accuracy: float, records: int, wanted: float) -> bool:
    """Whether so accurate a model on so few records may well be as accurate as is wanted: a trial
    of a clear case is over after a hundred records or two, on which nobody is judged to a point."""
    deviation = math.sqrt(accuracy * (1 - accuracy) / records) if records else 0.0
    return accuracy + _DEVIATIONS * deviation >= wanted


def fits_again(winner: str, config: EpisodeConfig, plan: Mapping[str, Any], trial: Trial) -> bool:
    """Whether an earlier release comes near to what it was itself, or to what the champion was:
    which of the two concepts is the harder one says nothing of the release."""
    reference = float(plan["reference_accuracy"])
    reference = min(float(plan["own_accuracy"].get(winner, reference)), reference)
    enough = good_enough(config, {"reference_accuracy": reference}) or 0.0
    return may_reach(trial.accuracy(winner) or 0.0, trial.records, enough)


def by_name(connection: Connection, stream: str) -> dict[str, Release]:
    """Every release of the stream by the name that it has as a member of a trial."""
    return {
        f"{_PREFIX}{release.number}": release for release in releases.history(connection, stream)
    }


def earlier(connection: Connection, champion: Release) -> list[Release]:
    """Releases that took and gave what the champion does, the newest of them first.

    Where the champion was rolled back to, neither that release of old, which is the same, nor the
    one that it was better than: so the two never take turns.
    """
    left_out, rolled_back = {champion.digest}, watches.ended_with(connection, champion.digest)
    if rolled_back is not None:
        left_out |= {rolled_back.release_digest, rolled_back.predecessor_digest}
    return [
        release
        for release in releases.history(connection, champion.stream)
        if release.digest not in left_out and release.contract == champion.contract
    ][:MOST_RECALLED]


def begun(
    connection: Connection, champion: Release, trigger: Trigger
) -> tuple[list[Release], dict[str, Any]]:
    """The earlier releases to try after a drift, and what the plan says of them before the
    trial."""
    found = earlier(connection, champion)
    return found, {
        "reference_accuracy": reference_accuracy(connection, champion, trigger),
        "own_accuracy": accuracies(connection, found),
        "champion": champion.digest,
    }


def seated(context: StreamContext, episode: str, found: Sequence[Release]) -> Result:
    """Copies the releases' files to the episode's folder, since what is brought back is released
    anew. One that is not as it was released is left out. Raises StoreUnavailable for a full
    disk."""
    folder = context.owned(_FOLDER)
    members: dict[str, Member] = {}
    for release in found:
        name = name_of(release)
        target = members_directory(context, episode) / folder / name
        try:
            released = artifact.copy(context.absolute(release.path), target, digest=release.digest)
        except ArtifactError as error:
            log.warning("recall.damaged", stream=context.stream, error=str(error))
            continue
        members[name] = Member(
            architecture=release.architecture.to_document(),
            macs=release.macs,
            parameters=None,
            steps=0,
            seconds=0.0,
            directory=f"{folder}/{name}",
            weights=released["files"][manifest.WEIGHTS]["sha256"],
        )
    return Result(members=members)


def accuracies(connection: Connection, found: Sequence[Release]) -> dict[str, float]:
    """Member -> its accuracy before the drift that it was replaced for, where that is known: an old
    concept may be harder than the present one, and its release is back where it was."""
    known: dict[str, float] = {}
    for release in found:
        later = releases.history(connection, release.stream)
        plans = [
            episodes.get(connection, one.episode_id).plan
            for one in later
            if one.parent == release.digest and one.episode_id is not None
        ]
        before = [plan["reference_accuracy"] for plan in plans if plan.get("reference_accuracy")]
        if before:
            known[name_of(release)] = float(before[0])
    return known


def plan_of(
    connection: Connection, context: StreamContext, winner: str, plan: dict[str, Any]
) -> dict[str, Any]:
    """The episode's plan as its proposal needs it: what the earlier release had learnt from."""
    release = by_name(connection, context.stream)[winner]
    evidence = manifest.verify(context.absolute(release.path))["evidence"]
    # None of one whose weights were given.
    first, last = evidence.get("training_records") or (None, None)
    return {
        **plan,
        "first_record": first,
        "end_record": None if last is None else last + 1,
        "given_weights": evidence.get("given_weights"),
        "class_counts": evidence.get("training_classes"),
        "steps": 0,
        "macs_cap": max(macs_cap(connection, context), release.macs),
        "concentrations": concentrations.load(connection, release.digest),
    }


def may_be_tried(trigger: Trigger) -> bool:
    """Whether the trigger asks for it: a drift that nobody has declined it for."""
    return trigger.kind == "drift" and not is_declined(trigger)


def is_declined(trigger: Trigger) -> bool:
    """Whether it goes on with the drift of an episode that was to bring back an earlier release."""
    return trigger.detail.endswith(_DECLINED)


def declined(trigger: Trigger) -> Trigger:
    """The trigger of the episode that goes on without."""
    return replace(trigger, detail=f"{trigger.detail}; {_DECLINED}")
