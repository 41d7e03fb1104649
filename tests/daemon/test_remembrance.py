"""What an episode does against forgetting, from the configuration to the job."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adaptd.adaptation.job import Job
from adaptd.daemon.replay.recorded import check, find
from adaptd.daemon.replay.rerun import rerun
from adaptd.errors import ArtifactError, NotReplayable
from adaptd.registry import episodes, old_concepts
from adaptd.registry.episodes import Episode
from adaptd.stream.reservoir import to_judge, to_rehearse
from adaptd.stream.segment import read_segment
from tests.daemon.conftest import LoopMaker, Running, ScriptedExecutor
from tests.daemon.test_forgetting import proposals_of, releases_of

EPISODE: dict[str, Any] = {"records": 200, "minimum_records": 100}
OPTIONS: dict[str, Any] = {
    **EPISODE,
    "rehearsal_share": 0.25,
    "distillation": 0.5,
    "distillation_temperature": 3.0,
}


def adapting(running: Running) -> list[Job]:
    return [job for job in running.executor.jobs if job.kind == "adapt"]


def latest(running: Running) -> Episode:
    with running.context.database.read() as connection:
        return episodes.history(connection, running.context.stream)[0]


def test_every_job_of_an_episode_gets_what_its_plan_says(loop: LoopMaker) -> None:
    running = loop(episode=OPTIONS)
    running.until(lambda: releases_of(running) == 2)
    first, second = adapting(running)
    assert first.rungs != second.rungs
    for job in (first, second):
        assert job.distillation is not None
        assert (job.distillation.weight, job.distillation.temperature) == (0.5, 3.0)
        assert job.rehearsal is not None
        assert job.rehearsal.share == 0.25
        assert job.rehearsal == first.rehearsal


def test_what_is_rehearsed_is_that_half_of_the_reservoir_that_nothing_is_judged_by(
    loop: LoopMaker,
) -> None:
    running = loop(episode=OPTIONS)
    running.until(lambda: bool(adapting(running)))
    rehearsal = adapting(running)[0].rehearsal
    assert rehearsal is not None
    assert rehearsal.records.parent == running.context.state.episodes("s") / latest(running).id
    with running.context.database.read() as connection:
        (concept,) = old_concepts.listing(connection, running.context.stream)
    kept = read_segment(running.context.absolute(concept.path), concept.digest)
    rehearsed = read_segment(rehearsal.records, rehearsal.records_digest)
    assert np.array_equal(rehearsed.positions, to_rehearse(kept).positions)
    assert not set(rehearsed.positions[:, 1]) & set(to_judge(kept).positions[:, 1])


def test_by_default_neither_is_asked_for(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: bool(adapting(running)))
    (job, *_) = adapting(running)
    assert (job.rehearsal, job.distillation) == (None, None)
    assert not {"rehearsal", "distillation"} & latest(running).plan.keys()


def test_a_proposal_says_what_was_done_against_forgetting(loop: LoopMaker) -> None:
    running = loop(episode=OPTIONS)
    running.until(lambda: bool(proposals_of(running)))
    evidence = proposals_of(running)[0].evidence
    assert evidence["rehearsal"] == {"count": 200, "share": 0.25}
    assert evidence["distillation"] == {"weight": 0.5, "temperature": 3.0}


def test_a_replay_asks_for_the_same_jobs(loop: LoopMaker, tmp_path: Path) -> None:
    running = loop(episode=OPTIONS)
    running.until(lambda: releases_of(running) == 2)
    with running.context.database.read() as connection:
        recorded = find(connection, latest(running).id)
    executor = ScriptedExecutor()
    rerun(
        recorded,
        state=running.context.state,
        executor=executor,
        output=tmp_path / "again",
        report=lambda _kind, _progress: None,
    )
    assert [job.digest for job in executor.jobs] == [job.digest for job in adapting(running)]
    assert all(job.rehearsal is not None for job in executor.jobs)


def test_a_replay_has_the_records_whatever_became_of_the_reservoir(loop: LoopMaker) -> None:
    running = loop(episode=OPTIONS)
    running.until(lambda: releases_of(running) == 2)
    episode = latest(running)
    for path in running.context.state.reservoir(running.context.stream).iterdir():
        path.unlink()
    with running.context.database.read() as connection:
        recorded = find(connection, episode.id)
    check(recorded, running.context.state)
    path = running.context.state.path / episode.plan["rehearsal"]["records"]
    path.write_bytes(b"others")
    with pytest.raises(ArtifactError, match="expected sha256"):
        check(recorded, running.context.state)
    path.unlink()
    with pytest.raises(NotReplayable, match="trained on are gone"):
        check(recorded, running.context.state)


def test_with_nothing_kept_nothing_is_rehearsed(loop: LoopMaker, tmp_path: Path) -> None:
    running = loop(episode={**EPISODE, "rehearsal_share": 0.25})
    directory = running.context.state.reservoir(running.context.stream)
    running.until(lambda: directory.is_dir() and any(directory.iterdir()))
    for path in directory.iterdir():
        path.write_bytes(b"no segment")
    running.until(lambda: bool(adapting(running)))
    assert adapting(running)[0].rehearsal is None
    assert tmp_path in directory.parents
