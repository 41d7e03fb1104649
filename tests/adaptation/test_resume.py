"""A job that is cut off, wherever that is, ends with the same files as one that was not."""

import hashlib
import itertools
import os
import signal
import time
from pathlib import Path

import pytest

from adaptd.adaptation.execution.local import LocalExecutor
from adaptd.adaptation.execution.working_directory import WorkingDirectory
from adaptd.adaptation.job import RECALIBRATED, Job, Progress
from adaptd.adaptation.keeper import Interrupted, Keeper
from adaptd.adaptation.rungs import RIVALS, perform
from adaptd.clock import SystemClock
from adaptd.config import WorkersConfig
from adaptd.errors import WorkerFailed
from tests.adaptation.conftest import JobMaker, released
from tests.adaptation.execution.test_local import finish, workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STEPS = 200
HANG_SECONDS = 300


def ignore(_progress: Progress) -> None:
    """Nobody looks."""


def files_of(directory: Path) -> dict[str, str]:
    """The digest of every member's files."""
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.glob("*/*"))
    }


@pytest.fixture
def wanted(job: JobMaker, tmp_path: Path) -> Job:
    """All remedies of a drift."""
    first = job(output=tmp_path / "first")
    member, champion, digest = released(first)
    return job(
        drift_at=0,
        kind="adapt",
        champion=champion,
        champion_digest=digest,
        architecture=member.architecture,
        macs_cap=int(member.macs * 1.1),
        output=tmp_path / "whole",
        steps=STEPS,
    )


def elsewhere(job: Job, name: str, **changes: object) -> Job:
    return job.model_copy(update={"output": job.output.with_name(name), **changes})


def test_it_is_the_same_to_the_bit_wherever_it_was_killed(wanted: Job) -> None:
    whole = perform(wanted, ignore)
    expected = files_of(wanted.output)
    assert len(expected) == 3 * len(whole.members) == 18
    config = WorkersConfig(count=1, checkpoint_seconds=0.02)
    executor = LocalExecutor(config, clock=SystemClock())
    cut = elsewhere(wanted, "cut", epoch=1)
    # The phase and step after which it is killed, and how.
    kills = [
        (RECALIBRATED, 30, signal.SIGKILL),
        (RIVALS, 60, signal.SIGKILL),
        (RIVALS, 150, signal.SIGTERM),
        ("export", 0, signal.SIGKILL),
        ("search", 30, signal.SIGKILL),
        ("fold", 100, signal.SIGTERM),
    ]
    seen: list[list[Progress]] = []
    costs = [0.0]
    for phase, step, number in kills:
        handle = executor.start(cut, wall_seconds=600)
        seen.append([])
        with pytest.raises(WorkerFailed) as caught:
            kill_at(executor, handle, phase, step, number, seen[-1])
        assert caught.value.cpu_seconds is not None
        costs.append(caught.value.cpu_seconds)
    handle = executor.start(cut, wall_seconds=600)
    result = finish(executor, handle)
    executor.close()
    assert files_of(cut.output) == expected
    assert result.members.keys() == whole.members.keys()
    assert result.alphas == whole.alphas
    assert result.concentrations == whole.concentrations
    # Who is asked to end keeps the very step; who is killed what was kept last, at worst the phases
    # before.
    for (phase, _step, number), (before, after) in zip(
        kills, itertools.pairwise(seen), strict=False
    ):
        assert after[0].phase != RECALIBRATED or phase == RECALIBRATED
        if number == signal.SIGTERM:
            assert after[0].phase == phase
            assert after[0].step > before[-1].step
    assert RECALIBRATED not in {one.phase for one in seen[2]}
    assert RIVALS not in {one.phase for one in seen[-1]}
    assert costs == sorted(costs)
    assert result.cpu_seconds > costs[-1]


def test_the_next_owner_goes_on_though_the_one_before_still_writes(wanted: Job) -> None:
    whole = perform(wanted, ignore)
    expected = files_of(wanted.output)
    before = elsewhere(wanted, "members-1", epoch=1)
    config = WorkersConfig(count=2, checkpoint_seconds=0.02)
    executor = LocalExecutor(config, clock=SystemClock())
    handle = executor.start(before, wall_seconds=600)
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        at = executor.progress(handle).progress
        if at is not None and at.phase == RIVALS and at.step >= 60:
            break
        time.sleep(0.01)
    # It is not told, and is well on its way, as that of an owner that was stopped.
    after = elsewhere(wanted, "members-2", epoch=2)
    later, phases = executor.start(after, wall_seconds=600), set()
    result = None
    while result is None and time.monotonic() < deadline:
        report = executor.progress(later)
        result = report.result
        phases.add(None if report.progress is None else report.progress.phase)
        time.sleep(0.005)
    assert result is not None
    assert "search" in phases
    assert RECALIBRATED not in phases
    assert files_of(after.output) == expected
    assert result.members.keys() == whole.members.keys()
    assert finish(executor, handle).epoch == 1
    executor.close()
    assert files_of(before.output) == expected


def kill_at(  # noqa: PLR0917
    executor: LocalExecutor,
    handle: object,
    phase: str,
    step: int,
    number: signal.Signals,
    seen: list[Progress],
) -> None:
    """Kills the worker once it is there, and hears what becomes of it."""
    is_killed = False
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        report = executor.progress(handle)  # type: ignore[arg-type]
        assert report.result is None, f"it was done before {phase} {step}"
        at = report.progress
        if at is not None:
            seen.append(at)
            if at.phase == phase and at.step >= step and not is_killed:
                is_killed = True
                os.kill(workers()[0], number)
        time.sleep(0.002)
    raise AssertionError("it is still alive")


def interrupted(job: Job, *, after: int) -> None:
    """Does the job in this process up to some step, counted over all phases, and cuts it off."""
    steps = 0

    def count(progress: Progress) -> None:
        nonlocal steps
        steps += progress.phase != "export"

    keeper = Keeper(WorkingDirectory(job.output), is_to_end=lambda: steps > after)
    with pytest.raises(Interrupted):
        perform(job, count, keeper=keeper)


def resumed(job: Job) -> tuple[list[Progress], list[str]]:
    """What is done, and said, by the attempt that ends it."""
    seen: list[Progress] = []
    warnings: list[str] = []
    perform(job, seen.append, keeper=Keeper(WorkingDirectory(job.output), warn=warnings.append))
    return seen, warnings


def test_a_later_owner_goes_on_and_another_job_does_not(job: JobMaker) -> None:
    first = job(steps=60, epoch=1)
    interrupted(first, after=3)
    seen, warnings = resumed(first.model_copy(update={"epoch": 2}))
    assert seen[0].step > 10
    assert warnings == []
    interrupted(elsewhere(first, "again"), after=3)
    seen, warnings = resumed(elsewhere(first, "again", seed=8))
    assert seen[0].step == 1
    assert "begun anew: it is of another job" in warnings[0]


def test_a_member_that_is_gone_is_made_again(wanted: Job) -> None:
    few = elsewhere(wanted, "few", steps=20, rungs=("weights",))
    perform(few, ignore)
    expected = files_of(few.output)
    (few.output / RECALIBRATED / "model.onnx").write_bytes(b"torn")
    seen, warnings = resumed(few)
    assert "the files of recalibrated are not those that were exported" in warnings[0]
    assert seen[0].phase == RECALIBRATED
    assert files_of(few.output) == expected


def test_one_that_is_done_is_not_done_again(wanted: Job) -> None:
    few = elsewhere(wanted, "few", steps=20, rungs=("weights",))
    first = perform(few, ignore)
    expected = files_of(few.output)
    seen: list[Progress] = []
    assert perform(few, seen.append) == first
    assert seen == []
    assert files_of(few.output) == expected
