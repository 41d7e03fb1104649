"""What an episode will train on and under which budget, fixed before it begins."""

import shutil
from pathlib import Path
from typing import Any

from adaptd.adaptation.job import Job
from adaptd.adaptation.trigger import Trigger
from adaptd.architecture import Contract
from adaptd.daemon.context import StreamContext
from adaptd.registry.releases import Release
from adaptd.stream.segment import write_segment
from adaptd.stream.window import Window


def span(trigger: Trigger, window: Window, *, records: int) -> tuple[int, int]:
    """The first record of the training data, and the one after its last.

    After a drift: so many records from its start on, which may still have to come. On a
    schedule: the latest.
    """
    if trigger.kind == "drift":
        first = max(trigger.since_record, window.first_record)
        return first, first + records
    return max(window.first_record, window.next_record - records), window.next_record


def plan(
    context: StreamContext,
    *,
    episode: str,
    first: int,
    end: int,
    window: Window,
    champion: Release,
    macs_cap: int,
    concentrations: dict[str, dict[str, float]],
) -> dict[str, Any]:
    """Writes the records `first` to `end` - 1 to the episode's folder; the plan names them."""
    directory = context.state.episodes(context.stream) / episode
    digest, path = write_segment(directory, window.between(first, end))
    return {
        "schema_version": 1,
        "first_record": first,
        "end_record": end,
        "records": context.relative(path),
        "records_digest": digest,
        "champion": champion.digest,
        "seed": context.seed_for("episode", end),
        "steps": context.config.episode.steps,
        "macs_cap": macs_cap,
        "concentrations": concentrations,
    }


def job_of(
    context: StreamContext,
    *,
    episode: str,
    plan: dict[str, Any],
    champion: Release,
    contract: Contract,
) -> Job:
    """The worker's job for a plan; the same plan gives the same job whenever it is asked."""
    return Job(
        kind="adapt",
        stream=context.stream,
        seed=plan["seed"],
        architecture=champion.architecture.to_document(),
        contract=contract.to_document(),
        records=context.absolute(plan["records"]),
        records_digest=plan["records_digest"],
        champion=context.absolute(champion.path),
        champion_digest=champion.digest,
        output=members_directory(context, episode),
        steps=plan["steps"],
        macs_cap=plan["macs_cap"],
        minimum_records=context.config.episode.minimum_records,
        concentrations=plan["concentrations"],
        device=context.config.training.device,
    )


def members_directory(context: StreamContext, episode: str) -> Path:
    """Where an episode's worker leaves its networks."""
    return context.state.episodes(context.stream) / episode / "members"


def sweep_members(context: StreamContext, *, keep: str) -> None:
    """Deletes the networks of episodes that are over; their records and their rows stay."""
    for directory in context.state.episodes(context.stream).glob("*/members"):
        if directory.parent.name != keep:
            shutil.rmtree(directory, ignore_errors=True)
