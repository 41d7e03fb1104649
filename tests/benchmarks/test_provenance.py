import os
from pathlib import Path
from subprocess import run

import numpy as np
import pytest

from benchmarks.provenance import commit, machine


def _git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    answer = run(
        ["git", "-C", str(directory), *identity, *arguments],
        capture_output=True,
        check=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(directory)},
    )
    return answer.stdout.strip()


def test_the_commit_is_that_of_the_checkouts_head(tmp_path: Path) -> None:
    _git(tmp_path, "init", "--quiet")
    assert commit(tmp_path) == "unknown"
    _git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "first")
    head = commit(tmp_path)
    assert head == _git(tmp_path, "rev-parse", "HEAD")
    assert len(head) == 40


def test_another_projects_repository_around_the_checkout_is_not_taken_for_its_own(
    tmp_path: Path,
) -> None:
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "first")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    assert commit(unpacked) == "unknown"


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(tmp_path) == "unknown"


def test_the_machine_names_cpu_cores_and_versions() -> None:
    seen = machine()
    assert set(seen) == {"cpu", "cores", "python", "torch", "numpy"}
    assert seen["cpu"]
    assert seen["cores"] >= 1
    assert seen["numpy"] == np.__version__
