"""Repetitions side by side."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.jobs import run_jobs
from benchmarks.recorded import CHECKOUT


def work(job: tuple[str, str]) -> dict[str, Any]:
    folder, name = job
    with (Path(folder) / name).open("a") as file:
        file.write("done\n")
    if name == "bad":
        raise ValueError("this one fails")
    return {"name": name, "process": os.getpid()}


def times(folder: Path, name: str) -> int:
    path = folder / name
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.parametrize("names", [["only"], ["c", "a", "b"]])
def test_outcomes_come_in_the_order_of_the_jobs(tmp_path: Path, names: list[str]) -> None:
    found = run_jobs(work, [(str(tmp_path), name) for name in names])
    assert [one["name"] for one in found] == names


def test_what_succeeds_beside_a_failure_is_kept(tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    jobs = [(str(tmp_path), name) for name in ("bad", *"abcdefgh")]
    with pytest.raises(ValueError, match="this one fails"):
        run_jobs(work, jobs, keep=keep)
    done = sum(times(tmp_path, name) for name in "abcdefgh")
    assert len(list(keep.iterdir())) == done


def test_what_was_kept_is_not_run_again_also_after_a_failure(tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    good = [(str(tmp_path), name) for name in ("a", "b")]
    first = run_jobs(work, good, keep=keep)
    with pytest.raises(ValueError, match="this one fails"):
        run_jobs(work, [*good, (str(tmp_path), "bad")], keep=keep)
    assert run_jobs(work, list(reversed(good)), keep=keep) == list(reversed(first))
    assert [times(tmp_path, name) for name in ("a", "b", "bad")] == [1, 1, 1]


def wait_long(job: str) -> dict[str, Any]:
    Path(job).write_text(str(os.getpid()))
    time.sleep(120)
    return {}


def test_workers_end_with_a_benchmark_that_is_killed(tmp_path: Path) -> None:
    paths = [tmp_path / "first", tmp_path / "second"]
    code = (
        "from benchmarks.jobs import run_jobs\n"
        "from tests.benchmarks.test_jobs import wait_long\n"
        f"run_jobs(wait_long, {list(map(str, paths))!r})\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT) as benchmark:
        until(lambda: all(path.exists() and path.read_text() for path in paths))
        benchmark.kill()
    workers = [int(path.read_text()) for path in paths]
    until(lambda: not any(map(is_running, workers)))


def is_running(process: int) -> bool:
    """One that has ended and that nobody has asked for has an empty command line."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(is_reached: Callable[[], bool], *, seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < give_up
        time.sleep(0.05)
