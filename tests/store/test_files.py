"""Whole or absent."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adaptd.errors import StoreUnavailable
from adaptd.store.files import (
    PARTIAL_SUFFIX,
    disk_errors,
    publish_directory,
    sweep,
    write_atomically,
)

PUBLISH = """
import sys
from pathlib import Path
from adaptd.store.files import publish_directory
publish_directory(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def _tree(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "work" / "made"
    (directory / "inner").mkdir(parents=True)
    (directory / "model.onnx").write_bytes(b"model")
    (directory / "inner" / "more").write_bytes(b"more")
    return directory


def test_a_write_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert _tree(tmp_path) == {"file": b"second"}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    (path / "content").write_bytes(b"old")
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"new")
    assert _tree(tmp_path) == {"file/content": b"old"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_full_or_read_only_disk_is_transient_and_named(tmp_path: Path, number: int) -> None:
    with pytest.raises(StoreUnavailable, match=str(tmp_path)), disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))


def test_other_errors_of_the_disk_are_passed_on(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "absent" / "file", b"data")


def test_publishing_moves_the_directory_and_makes_the_parents(source: Path, tmp_path: Path) -> None:
    before, target = _tree(source), tmp_path / "releases" / "pump" / "digest"
    publish_directory(source, target)
    assert _tree(target) == before
    assert not source.exists()


def test_publishing_again_keeps_what_is_there_and_removes_the_source(
    source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "releases" / "digest"
    target.mkdir(parents=True)
    (target / "model.onnx").write_bytes(b"the first one")
    publish_directory(source, target)
    assert _tree(target) == {"model.onnx": b"the first one"}
    assert not source.exists()


def test_publishing_after_a_kill_between_rename_and_commit_changes_nothing(
    source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "releases" / "digest"
    publish_directory(source, target)
    before = _tree(target)
    publish_directory(source, target)
    assert _tree(target) == before


def test_publishing_what_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        publish_directory(tmp_path / "absent", tmp_path / "releases" / "digest")
    assert not (tmp_path / "releases" / "digest").exists()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield Path(directory)


def test_publishing_across_file_systems_copies_everything(source: Path, elsewhere: Path) -> None:
    before = _tree(source)
    publish_directory(source, elsewhere / "digest")
    assert _tree(elsewhere) == {f"digest/{name}": data for name, data in before.items()}
    assert not source.exists()


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_copy_shows_no_half(source: Path, elsewhere: Path) -> None:
    for number in range(100):
        (source / f"file{number}").write_bytes(bytes(1_000_000))
    before, target = _tree(source), elsewhere / "digest"
    with subprocess.Popen([sys.executable, "-c", PUBLISH, str(source), str(target)]) as publishing:
        while publishing.poll() is None and not any(elsewhere.glob("*/file*")):
            pass
        # Half-way through a copy of 100 MB, unless the machine is faster than this loop.
        publishing.kill()
        publishing.wait()
    assert not target.exists() or _tree(target) == before
    if source.exists():
        publish_directory(source, target)
    sweep(elsewhere)
    assert [path.name for path in elsewhere.iterdir()] == ["digest"]
    assert _tree(target) == before


def test_a_sweep_removes_what_a_kill_left_and_nothing_else(tmp_path: Path) -> None:
    half = tmp_path / f".digest.1{PARTIAL_SUFFIX}"
    half.mkdir()
    (half / "model.onnx").write_bytes(b"ha")
    (tmp_path / f".state.json.2{PARTIAL_SUFFIX}").write_bytes(b"{")
    (tmp_path / "state.json").write_bytes(b"{}")
    sweep(tmp_path)
    assert _tree(tmp_path) == {"state.json": b"{}"}
    assert not half.exists()
    sweep(tmp_path / "absent")
