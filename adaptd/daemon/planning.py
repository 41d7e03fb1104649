"""What an episode will train on and under which budget, fixed before it begins."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from adaptd.adaptation.job import RUNGS, Job, Member, Result, Rung
from adaptd.adaptation.trigger import Trigger
from adaptd.architecture import Contract
from adaptd.daemon.class_shares import counts_of, learnt_counts, shares_of
from adaptd.daemon.context import StreamContext
from adaptd.daemon.limits import LATENCY, PARAMETERS, limits_of
from adaptd.daemon.reference import reference_accuracy
from adaptd.daemon.remembrance import orders, remembrance
from adaptd.daemon.training_records import TrainingRecords
from adaptd.registry import concentrations, releases
from adaptd.registry.old_concepts import OldConcept
from adaptd.registry.releases import Release
from adaptd.store.directory import StateDirectory
from adaptd.stream.batch import Batch
from adaptd.stream.segment import write_segment
from adaptd.stream.window import Window


def plan(
    context: StreamContext,
    *,
    episode: str,
    trigger: Trigger,
    chosen: TrainingRecords,
    window: Window,
    champion: Release,
    diagnosis: Mapping[str, Any] | None = None,
    old_concepts: Iterable[tuple[OldConcept, Batch | None]] = (),
) -> dict[str, Any]:
    """Writes the records that were chosen to the episode's folder; the plan names them.

    Where the champion's accuracy before the drift is known, new weights are tried first, and a
    search follows only if they do not come near it; if not, both at once. Where the diagnosis says
    that classes come in other shares, correcting the priors is tried before.
    old_concepts: of which something is rehearsed where the configuration says so.
    Raises StoreUnavailable, with nothing begun.
    """
    with context.database.read() as connection:
        cap = macs_cap(connection, context)
        wider = wider_macs(connection, context, champion)
        prior = concentrations.load(connection, champion.digest)
        reference = reference_accuracy(connection, champion, trigger)
    climbs = reference is not None and context.config.episode.good_enough_points is not None
    directory = context.state.episodes(context.stream) / episode
    records = chosen.of(window)
    digest, path = write_segment(directory, records)
    learnt = learnt_counts(context, champion, window, before=chosen.first)
    is_of_priors = diagnosis is not None and diagnosis["kind"] == "prior" and learnt is not None
    return {
        "schema_version": 1,
        "first_record": chosen.first,
        "end_record": chosen.end,
        "left_out": [list(stretch) for stretch in chosen.left_out],
        "held_back": chosen.held_back,
        "records": context.relative(path),
        "records_digest": digest,
        "champion": champion.digest,
        "seed": context.seed_for("episode", chosen.end),
        "steps": context.config.episode.steps,
        "minimum_records": context.config.episode.minimum_records,
        "macs_cap": cap,
        "concentrations": prior,
        "reference_accuracy": reference,
        "class_counts": counts_of(records.target, len(champion.contract.classes)),
        "learnt_counts": learnt,
        "rungs": (["prior"] if is_of_priors else ["weights"]) if climbs else list(RUNGS),
        **({"wider": wider} if climbs and wider is not None else {}),
        "method": context.config.episode.method,
        **limits_of(context.config.episode),
        **remembrance(context, directory, old_concepts),
        **({} if diagnosis is None else {"diagnosis": dict(diagnosis)}),
    }


def macs_cap(connection: Connection, context: StreamContext) -> int:
    """Multiply-accumulates that no challenger may exceed. Absolute for the stream: a cap relative
    to each champion would compound over episodes. Once the champion was reopened wider it is the
    cap of that."""
    config = context.config.episode
    history = releases.history(connection, context.stream)
    latest, first = history[0].macs, history[-1].macs
    cap = int(first * config.macs_ratio)
    return cap if latest <= cap else max(latest, int(first * (config.wider_macs_ratio or 0)))


def wider_macs(
    connection: Connection, context: StreamContext, champion: Release
) -> dict[str, int] | None:
    """The cap of the last rung, and what the network that it searches around may take: beneath the
    cap, the search has as much room as around the champion. None where there is no such rung, or
    the champion takes as much."""
    config = context.config.episode
    if config.wider_macs_ratio is None:
        return None
    first = releases.history(connection, context.stream)[-1]
    cap = int(first.macs * config.wider_macs_ratio)
    widened = int(cap / config.macs_ratio)
    return {"macs_cap": cap, "widened_macs": widened} if widened > champion.macs else None


def rungs_of(plan: Mapping[str, Any]) -> tuple[Rung, ...]:
    """What is tried now; both in plans that were made when there was no choice."""
    return tuple(plan.get("rungs", RUNGS))


def job_of(
    context: StreamContext,
    *,
    episode: str,
    plan: Mapping[str, Any],
    champion: Release,
    contract: Contract,
) -> Job:
    """The worker's job for a plan; the same plan gives the same job whenever it is asked."""
    return adapt_job(
        # Plans of earlier versions leave it to the configuration.
        {"minimum_records": context.config.episode.minimum_records, **plan},
        state=context.state,
        champion=champion,
        contract=contract,
        output=members_directory(context, episode) / _folder(context, plan),
        device=context.config.training.device,
        epoch=context.ledger.epoch,
    )


def adapt_job(
    plan: Mapping[str, Any],
    *,
    state: StateDirectory,
    champion: Release,
    contract: Contract,
    output: Path,
    device: str | None,
    epoch: int = 0,
    edge_latency: Mapping[str, dict[str, Any]] | None = None,
) -> Job:
    """The job of a plan's rungs, whoever asks for it. edge_latency: as of `Job`."""
    wider = plan["wider"] if "wider" in rungs_of(plan) else None
    return Job(
        kind="adapt",
        rungs=rungs_of(plan),
        stream=champion.stream,
        seed=plan["seed"],
        architecture=champion.architecture.to_document(),
        contract=contract.to_document(),
        records=state.path / plan["records"],
        records_digest=plan["records_digest"],
        champion=state.path / champion.path,
        champion_digest=champion.digest,
        output=output,
        steps=plan["steps"],
        macs_cap=plan["macs_cap"] if wider is None else wider["macs_cap"],
        widened_macs=None if wider is None else wider["widened_macs"],
        # Plans of earlier versions know of no other.
        method=plan.get("method", "bounded"),
        maximum_parameters=plan.get(PARAMETERS),
        maximum_latency_seconds=plan.get(LATENCY),
        edge_latency=dict(edge_latency or {}),
        minimum_records=plan["minimum_records"],
        concentrations=plan["concentrations"],
        learnt_shares=_shares(plan, "learnt_counts"),
        class_shares=_shares(plan, "class_counts"),
        device=device,
        epoch=epoch,
        **orders(plan, state),
    )


def placed(context: StreamContext, result: Result, plan: dict[str, Any]) -> Result:
    """The job's result with its members' folders as they lie below the episode's."""
    folder = _folder(context, plan)
    return result.model_copy(
        update={
            "members": {
                name: member.model_copy(update={"directory": f"{folder}/{member.directory}"})
                for name, member in result.members.items()
            }
        }
    )


def joined(before: Result, after: Result) -> Result:
    """What two rungs of an episode came to, together."""
    members: dict[str, Member] = {**before.members, **after.members}
    seconds = dict(before.phase_seconds)
    for phase, spent in after.phase_seconds.items():
        seconds[phase] = round(seconds.get(phase, 0.0) + spent, 3)
    return after.model_copy(
        update={
            "members": members,
            "phase_seconds": seconds,
            "cpu_seconds": before.cpu_seconds + after.cpu_seconds,
            "skipped": {**before.skipped, **after.skipped},
            "champion_parameters": after.champion_parameters or before.champion_parameters,
            "edge_latency": {**before.edge_latency, **after.edge_latency},
        }
    )


def _shares(plan: Mapping[str, Any], key: str) -> list[float] | None:
    """Plans that were made before they were counted have none."""
    counts = plan.get(key)
    return None if counts is None else shares_of(counts)


def _folder(context: StreamContext, plan: Mapping[str, Any]) -> str:
    return context.owned("-".join(rungs_of(plan)))


def members_directory(context: StreamContext, episode: str) -> Path:
    """Where an episode's worker leaves its networks."""
    return context.state.episodes(context.stream) / episode / "members"
