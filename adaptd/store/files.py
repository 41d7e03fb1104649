"""Files that are whole or absent, whatever is killed when."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from adaptd.errors import StoreUnavailable

# What is being written carries it until it is whole; `sweep` removes what a kill left behind.
PARTIAL_SUFFIX = ".partial"

_TRANSIENT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raises StoreUnavailable, naming the path, for an OSError of a full or read-only disk."""
    try:
        yield
    except OSError as error:
        if error.errno in _TRANSIENT:
            raise StoreUnavailable(f"{path}: {error.strerror}") from error
        raise


def sha256_of(path: Path) -> str:
    """Of the file's content, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces the file; a reader sees the old bytes or the new ones. On disk when it returns.

    Raises StoreUnavailable if the disk is full or read-only, else OSError; the old file stands.
    """
    temporary = _partial(path)
    with disk_errors(path):
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        fsync_directory(path.parent)


def fsync_directory(path: Path) -> None:
    """Puts the directory's entries on disk: a rename is not durable before."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_directory(source: Path, target: Path) -> None:
    """Moves a finished directory to its place: `target` is absent or whole. Durable on return.

    Where `target` is there already, it stays and `source` is removed: for content-addressed
    directories the two are equal. Makes the parents of `target`.
    Raises FileNotFoundError if both are absent; StoreUnavailable if the disk is full or read-only.
    """
    with disk_errors(target):
        if not target.exists():
            _make_directories(target.parent)
            _move(source, target)
        if source.exists():
            shutil.rmtree(source)
            fsync_directory(source.parent)


def sweep(directory: Path) -> None:
    """Removes what a killed write left in the directory. For the one process that writes there."""
    if not directory.is_dir():
        return
    for path in directory.iterdir():
        if path.name.endswith(PARTIAL_SUFFIX):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _move(source: Path, target: Path) -> None:
    fsync_tree(source)
    try:
        _rename(source, target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    # Another file system: a copy takes time, so it is made under another name first.
    temporary = _partial(target)
    try:
        shutil.copytree(source, temporary)
        fsync_tree(temporary)
        _rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        # Somebody published the same directory a moment ago.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if source.name.endswith(PARTIAL_SUFFIX):
            shutil.rmtree(source)
    fsync_directory(target.parent)
    if source.parent != target.parent:
        fsync_directory(source.parent)


def fsync_tree(directory: Path) -> None:
    """Puts all files and entries below the directory on disk."""
    for parent, _, names in os.walk(directory):
        for name in names:
            descriptor = os.open(Path(parent, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        fsync_directory(Path(parent))


def _make_directories(path: Path) -> None:
    if path.is_dir():
        return
    _make_directories(path.parent)
    path.mkdir(exist_ok=True)
    fsync_directory(path.parent)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex}{PARTIAL_SUFFIX}")
