"""Repetitions side by side."""

import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.jobs import run_jobs


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
