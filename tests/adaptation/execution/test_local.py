"""Real workers: what they give, what ends them, and that each ends alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adaptd.adaptation.execution.local import LocalExecutor
from adaptd.adaptation.execution.usage import usage_of
from adaptd.adaptation.executor import Handle
from adaptd.adaptation.job import INITIAL, WAITING, Job, Progress, Result
from adaptd.architecture import Architecture
from adaptd.clock import Clock, FakeClock, SystemClock
from adaptd.config import WorkersConfig
from adaptd.errors import ConfigError, JobError, WorkerFailed
from tests.adaptation.conftest import JobMaker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Steps that no test waits for: a job with so many is there to be ended.
ENDLESS = 10_000_000

HANG_SECONDS = 300

ExecutorMaker = Callable[..., LocalExecutor]


@pytest.fixture
def pool() -> Iterator[ExecutorMaker]:
    """Makes an executor of one worker; keywords take the place of its configuration."""
    made: list[LocalExecutor] = []

    def make(*, clock: Clock | None = None, **changes: Any) -> LocalExecutor:
        config = WorkersConfig.model_validate({"count": 1, "checkpoint_seconds": 0.05, **changes})
        made.append(LocalExecutor(config, clock=clock or SystemClock()))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


def finish(executor: LocalExecutor, handle: Handle) -> Result:
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        result = executor.progress(handle).result
        if result is not None:
            return result
        time.sleep(0.02)
    raise AssertionError("no result in time")


def wait_for_step(executor: LocalExecutor, handle: Handle, *, step: int = 1) -> Progress:
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        progress = executor.progress(handle).progress
        if progress is not None and progress.phase == INITIAL and progress.step >= step:
            return progress
        time.sleep(0.01)
    raise AssertionError("no such step in time")


def workers() -> list[int]:
    """The process numbers of this process's workers, in the order in which they were started."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def misbehaving(job: JobMaker, does: str, **settings: object) -> Job:
    architecture = Architecture(
        "tests.adaptation.misbehaving:network",
        {"in_channels": 1, "classes": 4, "width": 8, "does": does, **settings},  # type: ignore[dict-item]
    )
    return job(architecture=architecture.to_document())


def test_a_job_gives_a_result_that_says_who_asked_and_what_it_cost(
    pool: ExecutorMaker, job: JobMaker
) -> None:
    executor, asked = pool(), job(epoch=3)
    handle = executor.start(asked, wall_seconds=120)
    result = finish(executor, handle)
    assert list(result.members) == [INITIAL]
    assert (result.epoch, result.job) == (3, asked.digest)
    assert result.cpu_seconds > 0.5
    assert executor.busy == 0
    with pytest.raises(KeyError):
        executor.progress(handle)


def test_what_a_streams_workers_use_is_counted_however_they_end(
    pool: ExecutorMaker, job: JobMaker, tmp_path: Path
) -> None:
    executor = pool()
    stream = job().stream
    assert executor.cpu_seconds(stream) == 0.0
    handle = executor.start(job(), wall_seconds=120)
    result = finish(executor, handle)
    done = executor.cpu_seconds(stream)
    assert done == pytest.approx(result.cpu_seconds, abs=0.5)

    endless = executor.start(job(steps=ENDLESS, output=tmp_path / "endless"), wall_seconds=120)
    wait_for_step(executor, endless)
    running = executor.cpu_seconds(stream)
    # Importing torch alone takes longer than that.
    assert running > done + 0.2
    os.kill(workers()[-1], signal.SIGKILL)
    with pytest.raises(WorkerFailed):
        finish(executor, endless)
    assert executor.cpu_seconds(stream) >= running
    assert executor.cpu_seconds("another") == 0.0


def test_what_finds_no_room_waits_and_says_so(
    pool: ExecutorMaker, job: JobMaker, tmp_path: Path
) -> None:
    executor = pool()
    endless = executor.start(job(steps=ENDLESS), wall_seconds=120)
    first = executor.start(job(output=tmp_path / "first"), wall_seconds=120)
    second = executor.start(job(output=tmp_path / "second"), wall_seconds=120)
    assert (executor.busy, executor.waiting) == (1, 2)
    assert executor.progress(second).progress == Progress(phase=WAITING, step=1, steps=0)
    executor.cancel(first)
    assert executor.progress(second).progress == Progress(phase=WAITING, step=0, steps=0)
    wait_for_step(executor, endless)
    executor.cancel(endless)
    assert list(finish(executor, second).members) == [INITIAL]
    assert not (tmp_path / "first").exists()


def test_two_workers_work_beside_each_other(
    pool: ExecutorMaker, job: JobMaker, tmp_path: Path
) -> None:
    executor = pool(count=2)
    handles = [
        executor.start(job(steps=ENDLESS, output=tmp_path / name), wall_seconds=120)
        for name in ("one", "other")
    ]
    for handle in handles:
        wait_for_step(executor, handle)
    assert len(workers()) == 2
    os.kill(workers()[0], signal.SIGKILL)
    with pytest.raises(WorkerFailed):
        finish(executor, handles[0])
    step = wait_for_step(executor, handles[1]).step
    wait_for_step(executor, handles[1], step=step + 1)


@pytest.mark.parametrize(
    ("does", "cause", "says"),
    [
        ("segfault", "crash", "SIGSEGV, Segmentation fault"),
        ("leave", "crash", "exit code 7"),
        ("allocate", "memory", r"out of memory: used \S+ MiB of 900 MiB allowed"),
    ],
)
def test_what_ends_a_worker_is_told_and_ends_it_alone(
    pool: ExecutorMaker, job: JobMaker, does: str, cause: str, says: str
) -> None:
    executor = pool(memory_bytes="900MiB")
    handle = executor.start(misbehaving(job, does, at=15), wall_seconds=120)
    with pytest.raises(WorkerFailed, match=says) as caught:
        finish(executor, handle)
    assert caught.value.cause == cause
    assert caught.value.cpu_seconds is not None
    assert caught.value.cpu_seconds > 0.5
    # The next one finds the pool as it was.
    assert workers() == []
    assert executor.busy == 0


def let_time_pass(executor: LocalExecutor, handle: Handle, clock: FakeClock) -> None:
    for _ in range(HANG_SECONDS * 10):
        executor.progress(handle)
        clock.advance(10)
        time.sleep(0.1)


@pytest.mark.parametrize("does", ["hang", "hang-natively"])
def test_a_worker_that_makes_no_step_is_killed(
    pool: ExecutorMaker, job: JobMaker, does: str
) -> None:
    clock = FakeClock()
    executor = pool(clock=clock, hang_seconds=300)
    handle = executor.start(misbehaving(job, does, at=15), wall_seconds=10**6)
    wait_for_step(executor, handle, step=10)
    clock.advance(299)
    # What it still says while it gets from step 10 to 15 counts.
    with pytest.raises(WorkerFailed, match=r"made no step for 300 s") as caught:
        let_time_pass(executor, handle, clock)
    assert caught.value.cause == "hang"
    assert workers() == []


def test_a_killed_worker_is_reported_once(pool: ExecutorMaker, job: JobMaker) -> None:
    executor = pool()
    handle = executor.start(job(steps=ENDLESS), wall_seconds=120)
    wait_for_step(executor, handle)
    (pid,) = workers()
    used = usage_of(pid)
    assert used is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerFailed, match="SIGKILL") as caught:
        finish(executor, handle)
    assert caught.value.cause == "crash"
    assert caught.value.cpu_seconds is not None
    assert caught.value.cpu_seconds >= used.cpu_seconds
    with pytest.raises(KeyError):
        executor.progress(handle)


def test_the_wall_limit_kills(pool: ExecutorMaker, job: JobMaker) -> None:
    clock = FakeClock()
    executor = pool(clock=clock)
    handle = executor.start(job(steps=ENDLESS), wall_seconds=60)
    wait_for_step(executor, handle)
    clock.advance(61)
    with pytest.raises(WorkerFailed, match="wall limit of 60 s") as caught:
        finish(executor, handle)
    assert caught.value.cause == "wall"


def test_an_error_of_the_job_is_told_in_its_words(pool: ExecutorMaker, job: JobMaker) -> None:
    executor = pool()
    handle = executor.start(job(records_digest="0" * 64), wall_seconds=120)
    with pytest.raises(JobError, match="sha256") as caught:
        finish(executor, handle)
    assert caught.value.cpu_seconds is not None
    architecture = Architecture("no.such:network", {"in_channels": 1, "classes": 4})
    handle = executor.start(job(architecture=architecture.to_document()), wall_seconds=120)
    with pytest.raises(JobError, match=r"no\.such:network"):
        finish(executor, handle)


def test_a_worker_takes_its_conditions_upon_itself(pool: ExecutorMaker, job: JobMaker) -> None:
    core = min(os.sched_getaffinity(0))
    executor = pool(nice=7, cores=[core])
    before = os.getpriority(os.PRIO_PROCESS, 0)
    handle = executor.start(job(steps=ENDLESS), wall_seconds=120)
    wait_for_step(executor, handle)
    (pid,) = workers()
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, before + 7)
    assert os.sched_getaffinity(pid) == {core}
    # Threads that compute; onnxruntime and the listener's are asleep.
    environment = Path(f"/proc/{pid}/oom_score_adj").read_text()
    assert int(environment) == 900


def test_processors_that_are_not_there_are_refused(pool: ExecutorMaker) -> None:
    with pytest.raises(ConfigError, match=r"workers\.cores: \[9999\] cannot be used"):
        pool(cores=[9_999])


def test_a_job_that_was_cancelled_goes_on_where_it_stood(
    pool: ExecutorMaker, job: JobMaker
) -> None:
    executor = pool(checkpoint_seconds=3_600)
    wanted = misbehaving(job, "leave", at=ENDLESS, slow=0.05)
    wanted = wanted.model_copy(update={"steps": 200})
    handle = executor.start(wanted, wall_seconds=120)
    wait_for_step(executor, handle, step=40)
    executor.cancel(handle)
    again = executor.start(wanted, wall_seconds=120)
    assert executor.progress(again).progress == Progress(phase=WAITING, step=0, steps=0)
    assert wait_for_step(executor, again).step >= 40


def test_sigterm_to_a_worker_has_it_keep_where_it_stands(
    pool: ExecutorMaker, job: JobMaker
) -> None:
    executor = pool(checkpoint_seconds=3_600)
    wanted = misbehaving(job, "leave", at=ENDLESS, slow=0.05)
    wanted = wanted.model_copy(update={"steps": 200})
    handle = executor.start(wanted, wall_seconds=120)
    wait_for_step(executor, handle, step=40)
    os.kill(workers()[0], signal.SIGINT)
    os.kill(workers()[0], signal.SIGTERM)
    with pytest.raises(WorkerFailed, match="kept where it stood") as caught:
        finish(executor, handle)
    assert (caught.value.cause, caught.value.has_progressed) == ("ended", True)
    again = executor.start(wanted, wall_seconds=120)
    assert wait_for_step(executor, again).step >= 40


def test_what_a_job_has_cost_is_counted_over_its_attempts(
    pool: ExecutorMaker, job: JobMaker, tmp_path: Path
) -> None:
    executor = pool()
    wanted = misbehaving(job, "leave", at=15, unless=str(tmp_path / "been-here"))
    with pytest.raises(WorkerFailed) as caught:
        finish(executor, executor.start(wanted, wall_seconds=120))
    result = finish(executor, executor.start(wanted, wall_seconds=120))
    assert caught.value.cpu_seconds is not None
    assert result.cpu_seconds > caught.value.cpu_seconds + 0.5


PARENT = """
import sys, time
from adaptd.adaptation.execution.local import LocalExecutor
from adaptd.adaptation.job import Job
from adaptd.clock import SystemClock

if __name__ == "__main__":
    executor = LocalExecutor(clock=SystemClock())
    handle = executor.start(Job.model_validate_json(sys.argv[1]), wall_seconds=600)
    step = 0
    while step < 10:
        progress = executor.progress(handle).progress
        step = progress.step if progress else step
        time.sleep(0.05)
    from multiprocessing import active_children
    print(active_children()[0].pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("does", ["nothing", "hang-natively"])
def test_a_worker_ends_with_its_parent_whatever_it_does(
    job: JobMaker, tmp_path: Path, does: str
) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    endless = job(steps=ENDLESS)
    if does != "nothing":
        endless = misbehaving(job, does, at=11)
    parent = subprocess.Popen(
        [sys.executable, str(script), endless.model_dump_json()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists() and _is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
