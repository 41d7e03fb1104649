"""The state directory: where everything that must survive a restart lies, and who holds it."""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from adaptd.errors import StateDirectoryError
from adaptd.store.files import write_atomically

SCHEMA_VERSION = 1

# What to do where the database is damaged, for people.
RESTORE = "`adaptd restore` puts a backup in its place"


@dataclass(frozen=True)
class StateDirectory:
    """The paths inside one state directory. A stream's folders are made by whoever writes there."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> "StateDirectory":
        """Makes the directory if it is not there, and checks that this version can read it.

        Raises StateDirectoryError if it is of a newer version, damaged, or cannot be made;
        StoreUnavailable if the disk is full.
        """
        state = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if state._marker.exists():
                state._check(state._marker.read_bytes())
            else:
                document = {"schema_version": SCHEMA_VERSION}
                write_atomically(state._marker, json.dumps(document).encode() + b"\n")
        except OSError as error:
            raise StateDirectoryError(f"{path}: cannot be a state directory: {error}") from error
        return state

    def check_database(self) -> None:
        """Raises StateDirectoryError where the database is missing or empty and files are there
        that it has named: a daemon would begin from the first record, as if it knew nothing."""
        if self.database.exists() and self.database.stat().st_size > 0:
            return
        for kind in ("releases", "segments"):
            if any(self.path.glob(f"{kind}/*/*")):
                raise StateDirectoryError(
                    f"{self.database}: is missing or empty, and {self.path / kind} is not; "
                    f"{RESTORE}; to begin anew, use another state_directory"
                )

    @property
    def database(self) -> Path:
        """The SQLite file of the store; its write-ahead log lies beside it."""
        return self.path / "adaptd.db"

    @property
    def lock(self) -> Path:
        """What `DaemonLock` takes."""
        return self.path / "daemon.lock"

    @property
    def events(self) -> Path:
        """Release events of streams that are not on Kafka, one JSON document a line."""
        return self.path / "events.jsonl"

    def dead_letters(self, stream: str) -> Path:
        """Records of a stream that could not be used, one JSON document a line.

        Raises ValueError for what cannot be a stream's name; so do the others.
        """
        return self._of("dead-letters", stream).with_suffix(".jsonl")

    def releases(self, stream: str) -> Path:
        """Folder of the stream's releases, one directory a digest, none of them ever changed."""
        return self._of("releases", stream)

    def episodes(self, stream: str) -> Path:
        """Folder of the stream's episodes: the records trained on, and the members of the trial."""
        return self._of("episodes", stream)

    def segments(self, stream: str) -> Path:
        """Folder of the files of the stream's window; only those that a row names count."""
        return self._of("segments", stream)

    def reservoir(self, stream: str) -> Path:
        """Folder of the stream's samples of old concepts; only those that a row names count."""
        return self._of("reservoir", stream)

    def _of(self, kind: str, stream: str) -> Path:
        # A name may come from a request; it must not lead out of the directory.
        if stream in ("", ".", "..") or "/" in stream or "\0" in stream:
            raise ValueError(f"not the name of a stream: {stream!r}")
        return self.path / kind / stream

    @property
    def _marker(self) -> Path:
        return self.path / "state.json"

    def _check(self, data: bytes) -> None:
        try:
            version = json.loads(data)["schema_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise StateDirectoryError(
                f"{self._marker}: expected {{'schema_version': {SCHEMA_VERSION}}}, "
                f"got {data[:80]!r}; "
                "restore the directory from a backup, or start with an empty one"
            ) from error
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise StateDirectoryError(
                f"{self.path} is of state version {version}, this adaptd reads version "
                f"{SCHEMA_VERSION}: install a newer adaptd, or use another state_directory"
            )


class DaemonLock:
    """Held by the one daemon of a state directory, or by all of those that share it. It goes when
    its process ends, however it ends.

    A context manager; entering raises StateDirectoryError, with the holder's pid, if it is held.
    """

    def __init__(self, path: Path, *, is_shared: bool = False) -> None:
        """is_shared: beside others who share it, and nobody else."""
        self._path = path
        self._kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        # Never unlinked: a lock on a file that is gone excludes nobody.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, self._kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise StateDirectoryError(
                f"{self._path.parent} is held by another adaptd, process {holder or 'unknown'}: "
                "stop it first, or use another state_directory"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
