"""Copies of a state directory: made while a daemon writes there, checked, and put in its place."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, create_engine, inspect, select

from adaptd.errors import ArtifactError, NotFoundError, StateDirectoryError, StoreUnavailable
from adaptd.store.directory import DaemonLock, StateDirectory
from adaptd.store.files import (
    PARTIAL_SUFFIX,
    disk_errors,
    fsync_directory,
    fsync_tree,
    publish_directory,
    sha256_of,
)
from adaptd.store.sqlite import DAMAGED
from adaptd.store.tables import pins, segments

SCHEMA_VERSION = 1
MANIFEST = "backup.json"

# What a daemon of that directory alone has.
_LEFT_OUT = frozenset({"daemon.lock", "adaptd.db", "adaptd.db-wal", "adaptd.db-shm", "segments"})


@dataclass(frozen=True)
class Backup:
    """A directory that holds all of a state. files: relative path -> hex sha256."""

    path: Path
    made_at: datetime
    files: dict[str, str]

    @property
    def size_bytes(self) -> int:
        return sum((self.path / name).stat().st_size for name in self.files)


def back_up(state: StateDirectory, target: Path, *, now: datetime) -> Backup:
    """Copies a state directory to `target`, which must not be there; whole and on disk on return.

    The daemon may run: the database is copied as it is at one moment, with the segments that its
    rows name, and with releases and episodes, whose files never change. What happens later is not
    in it. Raises NotFoundError without a state, StateDirectoryError if the target is there or the
    state's database is damaged; StoreUnavailable if a disk is full.
    """
    if not state.database.is_file():
        raise NotFoundError(f"no store at {state.database}: is this a daemon's state directory?")
    if target.exists():
        raise StateDirectoryError(f"{target} is there already: name another directory for a backup")
    partial = target.with_name(f".{target.name}{PARTIAL_SUFFIX}")
    with _told(target):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    try:
        with _told(target):
            _copy_database(state, partial)
            _copy_rest(state.path, partial)
            files = {
                str(path.relative_to(partial)): sha256_of(path) for path in sorted(_files(partial))
            }
            document = {
                "schema_version": SCHEMA_VERSION,
                "made_at": now.astimezone(UTC).isoformat(timespec="seconds"),
                "files": files,
            }
            (partial / MANIFEST).write_text(json.dumps(document, indent=2), encoding="utf-8")
            publish_directory(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Backup(target, now, files)


def read_backup(path: Path) -> Backup:
    """A backup whose every file is as it was written.

    Raises NotFoundError if there is none, ArtifactError, naming the file, where one is missing,
    changed, or of a newer version.
    """
    try:
        document = json.loads((path / MANIFEST).read_bytes())
        version = document["schema_version"]
        made_at = datetime.fromisoformat(document["made_at"])
        files: dict[str, str] = dict(document["files"])
    except OSError as error:
        raise NotFoundError(f"{path}: no backup: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path / MANIFEST}: damaged: {error!r}") from error
    if version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{path}: is a backup of version {version}, this adaptd reads {SCHEMA_VERSION}"
        )
    for name, digest in files.items():
        if not (path / name).is_file():
            raise ArtifactError(f"{path / name}: missing from the backup")
        if sha256_of(path / name) != digest:
            raise ArtifactError(f"{path / name}: is not what was backed up")
    return Backup(path, made_at, files)


def restore(backup: Backup, state: Path, *, now: datetime) -> Path | None:
    """Puts a copy of the backup in the place of a state directory.

    What was there is moved beside it, never removed; returns where it lies, None if there was
    nothing. Raises StateDirectoryError while a daemon holds the directory, or where the file system
    refuses, StoreUnavailable if the disk is full; nothing has changed then.
    """
    partial = state.with_name(f".{state.name}{PARTIAL_SUFFIX}")
    aside = state.with_name(f"{state.name}.before-{now:%Y%m%dT%H%M%S.%f}")
    with _told(state):
        try:
            shutil.rmtree(partial, ignore_errors=True)
            state.parent.mkdir(parents=True, exist_ok=True)
            for name in backup.files:
                _copy(backup.path / name, partial / name)
            fsync_tree(partial)
            if not state.exists():
                partial.rename(state)
                fsync_directory(state.parent)
                return None
            with DaemonLock(StateDirectory(state).lock):
                state.rename(aside)
                try:
                    partial.rename(state)
                except OSError:
                    aside.rename(state)
                    raise
            fsync_directory(state.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return aside


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raises StoreUnavailable for a full disk, StateDirectoryError for what else a file system
    refuses."""
    try:
        with disk_errors(path):
            yield
    except OSError as error:
        raise StateDirectoryError(f"{error.filename or path}: {error.strerror}") from error


def _copy_database(state: StateDirectory, target: Path) -> None:
    """The database at one moment, and the segments that its rows name.

    First the segments that are there, then the database, then those that came meanwhile: one that
    went before it was copied had lost its row before, and the newest stay the longest.
    """
    for path in _files(state.path / "segments"):
        with suppress(FileNotFoundError):
            _copy(path, target / path.relative_to(state.path))
    try:
        with (
            closing(
                sqlite3.connect(f"{state.database.absolute().as_uri()}?mode=ro", uri=True)
            ) as database,
            closing(sqlite3.connect(target / "adaptd.db")) as copy,
        ):
            database.backup(copy)
            # What a copy of a damaged page would say only when it is needed.
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        # The low byte of an extended code is the primary one.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in DAMAGED:
            raise StoreUnavailable(f"{state.database} to {target}: {error}") from error
        found = str(error)
    if found != "ok":
        raise StateDirectoryError(
            f"{state.database}: damaged: {found}; `adaptd restore` puts an earlier backup in its "
            "place"
        )
    named = {target / name for name in _segments(target / "adaptd.db")}
    for path in named:
        if not path.exists():
            _copy(state.path / path.relative_to(target), path)
    for path in set(_files(target / "segments")) - named:
        path.unlink()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _segments(database: Path) -> list[str]:
    engine = create_engine(URL.create("sqlite", database=str(database)))
    try:
        with engine.connect() as connection:
            named = set(connection.scalars(select(segments.c.path)))
            # A daemon of an earlier version, which may still run, pins nothing.
            if inspect(connection).has_table(pins.name):
                named |= set(connection.scalars(select(pins.c.path)))
            return sorted(named)
    finally:
        engine.dispose()


def _copy_rest(state: Path, target: Path) -> None:
    for path in _files(state):
        name = path.relative_to(state)
        if name.parts[0] in _LEFT_OUT:
            continue
        # An episode that ends meanwhile takes its files with it; nobody needs them then.
        with suppress(FileNotFoundError):
            _copy(path, target / name)


def _files(directory: Path) -> Iterator[Path]:
    """All below it but what is not yet whole; a directory that goes meanwhile has none."""
    for parent, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if not name.endswith(PARTIAL_SUFFIX)]
        yield from (Path(parent, name) for name in names if not name.endswith(PARTIAL_SUFFIX))
