import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adaptd.adaptation.executor import LocalExecutor
from adaptd.adaptation.job import INITIAL, Job, Result
from adaptd.architecture import Architecture
from adaptd.clock import FakeClock, SystemClock
from adaptd.errors import JobError, WorkerFailed
from tests.adaptation.conftest import JobMaker

pytestmark = pytest.mark.slow

# Steps that no test waits for: a job with so many is there to be ended.
ENDLESS = 10_000_000


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    opened = LocalExecutor(SystemClock())
    yield opened
    opened.stop()


def finish(executor: LocalExecutor) -> Result:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        result = executor.poll().result
        if result is not None:
            return result
        time.sleep(0.05)
    raise AssertionError("no result in time")


def wait_for_progress(executor: LocalExecutor) -> None:
    deadline = time.monotonic() + 120
    while executor.poll().progress is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def worker_pid() -> int:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for child in children:
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError(f"no worker among {children}")


def test_a_job_gives_a_result_and_the_executor_is_free_again(
    executor: LocalExecutor, job: JobMaker
) -> None:
    executor.start(job(), wall_seconds=120)
    with pytest.raises(RuntimeError, match="already"):
        executor.start(job(), wall_seconds=120)
    result = finish(executor)
    assert list(result.members) == [INITIAL]
    executor.start(job(), wall_seconds=120)


def test_a_killed_worker_is_reported_once(executor: LocalExecutor, job: JobMaker) -> None:
    executor.start(job(steps=ENDLESS), wall_seconds=120)
    wait_for_progress(executor)
    os.kill(worker_pid(), signal.SIGKILL)
    with pytest.raises(WorkerFailed, match="without a result"):
        finish(executor)
    assert executor.poll().result is None


def test_what_workers_use_is_counted_also_where_they_fail(
    executor: LocalExecutor, job: JobMaker
) -> None:
    assert executor.cpu_seconds == 0.0
    executor.start(job(), wall_seconds=120)
    result = finish(executor)
    done = executor.cpu_seconds
    # Importing torch alone takes longer than that.
    assert result.cpu_seconds == done > 0.2

    executor.start(job(records_digest="0" * 64), wall_seconds=120)
    with pytest.raises(JobError):
        finish(executor)
    assert executor.cpu_seconds > done + 0.2


def test_what_workers_use_is_counted_where_they_are_killed(
    executor: LocalExecutor, job: JobMaker
) -> None:
    executor.start(job(steps=ENDLESS), wall_seconds=120)
    wait_for_progress(executor)
    running = executor.cpu_seconds
    assert running > 0.2
    os.kill(worker_pid(), signal.SIGKILL)
    with pytest.raises(WorkerFailed):
        finish(executor)
    died = executor.cpu_seconds
    assert died >= running

    executor.start(job(steps=ENDLESS), wall_seconds=120)
    wait_for_progress(executor)
    executor.stop()
    assert executor.cpu_seconds > died + 0.2


def test_the_wall_limit_kills(job: JobMaker) -> None:
    clock = FakeClock()
    executor = LocalExecutor(clock)
    executor.start(job(steps=ENDLESS), wall_seconds=60)
    wait_for_progress(executor)
    clock.advance(61)
    with pytest.raises(WorkerFailed, match="wall limit of 60"):
        executor.poll()


def test_an_error_of_the_job_is_told_in_its_words(executor: LocalExecutor, job: JobMaker) -> None:
    executor.start(job(records_digest="0" * 64), wall_seconds=120)
    with pytest.raises(JobError, match="sha256"):
        finish(executor)


def test_a_model_that_cannot_be_built_is_told_by_name(
    executor: LocalExecutor, job: JobMaker
) -> None:
    architecture = Architecture("no.such:network", {"in_channels": 1, "classes": 4})
    executor.start(job(architecture=architecture.to_document()), wall_seconds=120)
    with pytest.raises(JobError, match=r"no\.such:network"):
        finish(executor)


PARENT = """
import sys, time
from adaptd.adaptation.executor import LocalExecutor
from adaptd.adaptation.job import Job
from adaptd.architecture import Architecture
from adaptd.clock import SystemClock

if __name__ == "__main__":
    executor = LocalExecutor(SystemClock())
    executor.start(Job.model_validate_json(sys.argv[1]), wall_seconds=600)
    while executor.poll().progress is None:
        time.sleep(0.05)
    from multiprocessing import active_children
    print(active_children()[0].pid, flush=True)
    time.sleep(600)
"""


def test_a_worker_ends_with_its_parent(job: JobMaker, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    endless: Job = job(steps=ENDLESS)
    parent = subprocess.Popen(
        [sys.executable, str(script), endless.model_dump_json()], stdout=subprocess.PIPE, text=True
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
