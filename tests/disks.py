"""A disk of a few megabytes that a test can fill and empty."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

# Holds the state of a small stream, and is filled in milliseconds.
DISK_BYTES = 32 * 2**20


class Disk:
    """A file system of its own at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Takes all space that is free but for so much."""
        with self._ballast.open("ab", buffering=0) as file:
            # By whole blocks, then by what is left of one.
            for size in (64 * 2**10, 4_096):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))
            written = file.tell()
        os.truncate(self._ballast, max(0, written - leave_bytes))

    def empty(self) -> None:
        """Gives the space back."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mounted for the test; skips where this process may not mount."""
    path = tmp_path / "disk"
    path.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(mounting, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("a small disk needs the program `mount`")
    if mounted.returncode != 0:
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        # Lazily: a daemon that hangs must not keep the mount for ever.
        subprocess.run(["umount", "--lazy", str(path)], check=True)
