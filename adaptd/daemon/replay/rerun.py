"""Does again what an episode did: the same jobs in a worker, the same trials over their records."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from adaptd.adaptation.counted import Counted
from adaptd.adaptation.executor import Executor
from adaptd.adaptation.job import Job, Progress, Result
from adaptd.adaptation.trial import DEPLOYED, Trial
from adaptd.architecture import Architecture
from adaptd.daemon.planning import adapt_job
from adaptd.daemon.replay.recorded import Recorded, counted_records
from adaptd.errors import NotReplayable
from adaptd.observer.predictor import Predictor
from adaptd.observer.score import score
from adaptd.registry import manifest, trials
from adaptd.registry.trials import TrialRow
from adaptd.store.directory import StateDirectory
from adaptd.stream.batch import Batch
from adaptd.telemetry.provenance import provenance

# As a daemon polls.
CHUNK_RECORDS = 256

POLL_SECONDS = 0.1

Report = Callable[[str, Progress], None]


@dataclass(frozen=True)
class Rerun:
    """One trial, held again. members: as in its row, of the networks that were trained for it.
    made_by: as in its row, now. evidence: as of `Trial.evidence`."""

    row: TrialRow
    members: dict[str, dict[str, str | None]]
    made_by: dict[str, dict[str, str]]
    evidence: dict[str, Any]


def rerun(
    recorded: Recorded,
    *,
    state: StateDirectory,
    executor: Executor,
    output: Path,
    report: Report,
) -> list[Rerun]:
    """Trains what the episode trained and holds its trials again; writes below `output` only.

    Raises NotReplayable where a job is refused, ArtifactError for damaged files, WorkerFailed.
    """
    directories: dict[str, Path] = {
        name: state.path / release.path for name, release in recorded.earlier.items()
    }
    champion = recorded.champion
    deployed = Predictor.load(state.path / champion.path, champion.contract)
    skipped: dict[str, str] = {}
    done = []
    for row in recorded.trials:
        training: dict[str, str] = {}
        if row.kind == trials.RECALL:
            members = {name: _released(directories[name]) for name in row.members}
        else:
            job = _job(recorded, row, state=state, output=output / row.kind)
            result = _perform(job, executor, partial(report, row.kind))
            training = result.made_by
            skipped.update(result.skipped)
            members = {
                name: {
                    "architecture": Architecture.from_document(member.architecture).digest,
                    "weights": member.weights,
                }
                for name, member in result.members.items()
                # What exceeded a limit was trained, and not tried.
                if name in row.members
            }
            directories.update(
                {name: job.output / member.directory for name, member in result.members.items()}
            )
        if lacking := [name for name in row.members if name not in directories]:
            told = (f"{name} ({skipped[name]})" if name in skipped else name for name in lacking)
            raise NotReplayable(f"no longer trained here: {', '.join(told)}")
        predictors = {
            name: Predictor.load(directories[name], champion.contract) for name in row.members
        }
        trial = held(row, counted_records(recorded, row, state.path), predictors, deployed)
        made_by = {"training": training, "trial": provenance()}
        done.append(Rerun(row, members, made_by, trial.evidence()))
    return done


def held(
    row: TrialRow,
    records: list[tuple[int, Batch]],
    members: Mapping[str, Predictor],
    deployed: Predictor,
) -> Trial:
    """The trial on the terms of its row, over the records that it counted, in their order.

    What the deployed model said is predicted again, or taken as it was recorded where the records
    had brought it along.
    """
    terms = dict(row.terms)
    names, are_recorded = terms.pop("names"), terms.pop("are_answers_recorded")
    trial = Trial.start(names, **terms)
    recorded_hits, at = Counted.restore(row.counted or {}).deployed_hits, 0
    for first, batch in records:
        for start in range(0, len(batch), CHUNK_RECORDS):
            chunk = batch[start : start + CHUNK_RECORDS]
            hits = {
                name: score(model.predict(chunk.x), chunk.target)[0]
                for name, model in {DEPLOYED: deployed, **members}.items()
            }
            if are_recorded:
                hits[DEPLOYED] = recorded_hits[at : at + len(chunk)]
            at += len(chunk)
            trial.update(hits, first_record=first + start)
    return trial


def _job(recorded: Recorded, row: TrialRow, *, state: StateDirectory, output: Path) -> Job:
    was_on_cpu = row.made_by.get("training", {}).get("device") == "cpu"
    return adapt_job(
        # Of a plan that was made before it said how few records are too few.
        {"minimum_records": 1, **recorded.episode.plan, "rungs": row.kind.split("-")},
        state=state,
        champion=recorded.champion,
        contract=recorded.champion.contract,
        output=output,
        # Where it was a GPU and none is here, the processor: that is then what differs.
        device="cpu" if was_on_cpu else None,
        edge_latency=recorded.episode.result.get("edge_latency"),
    )


def _perform(job: Job, executor: Executor, report: Callable[[Progress], None]) -> Result:
    handle = executor.start(job, wall_seconds=float("inf"))
    try:
        while True:
            at = executor.progress(handle)
            if at.progress is not None:
                report(at.progress)
            if at.result is not None:
                break
            time.sleep(POLL_SECONDS)
    finally:
        executor.cancel(handle)
    if at.result.refused is not None:
        raise NotReplayable(f"training is refused now: {at.result.refused}")
    return at.result


def _released(directory: Path) -> dict[str, str | None]:
    found = manifest.verify(directory)
    return {
        "architecture": Architecture.from_document(found["architecture"]).digest,
        "weights": found["files"][manifest.WEIGHTS]["sha256"],
    }
