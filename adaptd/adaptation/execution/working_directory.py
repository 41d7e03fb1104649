"""`WorkingDirectory`: where a job's worker keeps what it has, from the first attempt to the result.

lock                    held by the worker that is at work
attempts.json           how often the job was tried, and what that has cost
checkpoint.safetensors  where it stands
MEMBER/                 a trained and exported network, for each that is ready
result.json             written last, once by each owner who asks
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from adaptd.adaptation.job import Job, Result
from adaptd.errors import StaleEpochError, StoreUnavailable, WorkerFailed
from adaptd.store.files import PARTIAL_SUFFIX, fsync_tree, sweep, write_atomically

SCHEMA_VERSION = 1

# A worker ends with its parent, so the one of a daemon that was killed is gone in an instant.
HOLD_SECONDS = 10.0


class WorkingDirectory:
    """A worker calls `hold` before it writes anything; its parent only reads, but for `charge`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoint(self) -> Path:
        """Where the job stands."""
        return self.path / "checkpoint.safetensors"

    @contextmanager
    def hold(self, job: Job, *, pid: int) -> Iterator[None]:
        """For as long as the worker is at work; begins an attempt. Makes the directory.

        Raises StaleEpochError if a newer owner of the stream has been here, WorkerFailed if
        another worker stays.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._lock(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{pid}\n".encode(), 0)
            sweep(self.path)
            self._begin(job, pid)
            yield
        finally:
            os.close(descriptor)

    def take_over(self, job: Job) -> None:
        """Copies where the worker of an earlier owner of the stream stood, if the directory carries
        the owner's epoch and has nothing of its own yet. To be called while it is held.

        That worker may still be at work, in a directory that stays its own: what is copied of it
        while it writes is one whole checkpoint, and files of members whose digests stand in it, so
        that who goes on from it finds out where they do not belong together.
        """
        source = self._of_earlier_owner(job)
        if source is None or self.checkpoint.exists():
            return
        aside = self.checkpoint.with_name(self.checkpoint.name + PARTIAL_SUFFIX)
        try:
            # First of all, since members are there before a checkpoint names them.
            shutil.copyfile(source.checkpoint, aside)
            for path in source.path.iterdir():
                if path.is_dir():
                    shutil.copytree(path, self.path / path.name, dirs_exist_ok=True)
            fsync_tree(self.path)
            aside.replace(self.checkpoint)
        except OSError:
            # It was swept meanwhile, or the disk is full: the job is begun anew.
            self.clear()
            return
        document = self._attempts(job)
        spent = document["earlier_cpu_seconds"] + source.spent(job)
        self._write({**document, "earlier_cpu_seconds": spent})

    def _of_earlier_owner(self, job: Job) -> "WorkingDirectory | None":
        """The latest that has a checkpoint."""
        of_owner = re.fullmatch(r"(.+)-(\d+)", self.path.name)
        if of_owner is None or int(of_owner[2]) != job.epoch:
            return None
        found: dict[int, WorkingDirectory] = {}
        for path in self.path.parent.iterdir():
            same = re.fullmatch(rf"{re.escape(of_owner[1])}-(\d+)", path.name)
            other = WorkingDirectory(path)
            if same is not None and int(same[1]) < job.epoch and other.checkpoint.exists():
                found[int(same[1])] = other
        return found[max(found)] if found else None

    def clear(self) -> None:
        """Removes what there is of another job, or of what cannot be gone on from."""
        for path in self.path.iterdir():
            if path.name in ("lock", "attempts.json"):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def finish(self, result: Result) -> None:
        """Writes the result; from now on it is whole or not there. Raises StoreUnavailable."""
        write_atomically(self.path / "result.json", orjson.dumps(result.model_dump(mode="json")))

    def result(self, job: Job) -> Result | None:
        """The result that the job's owner asked for; None for none, and for what an earlier owner
        was given, or was asked for by another job."""
        try:
            result = Result.model_validate_json((self.path / "result.json").read_bytes())
        except (OSError, ValidationError):
            return None
        return result if (result.epoch, result.job) == (job.epoch, job.digest) else None

    def spent(self, job: Job) -> float:
        """CPU seconds of all attempts at the job, as far as they have been written down."""
        document = self._attempts(job)
        return float(document["earlier_cpu_seconds"] + document["cpu_seconds"])

    def charge(self, job: Job, *, pid: int, cpu_seconds: float) -> None:
        """Writes down what an attempt has cost so far, that of the process with this number. Where
        the disk is full, it is not."""
        document = self._attempts(job)
        if document["pid"] != pid:
            # It ended before it could begin.
            document = _next(document, pid)
        self._write({**document, "cpu_seconds": cpu_seconds})

    def _begin(self, job: Job, pid: int) -> None:
        document = self._attempts(job)
        if document["epoch"] > job.epoch:
            raise StaleEpochError(
                f"{self.path}: epoch {job.epoch} is not the current one, {document['epoch']} has "
                "been at work here: who asked for this no longer owns the stream"
            )
        self._write({**_next(document, pid), "epoch": job.epoch})

    def _write(self, document: dict[str, Any]) -> None:
        # Of no weight against the job itself; and the directory goes with its episode.
        with suppress(StoreUnavailable, FileNotFoundError):
            write_atomically(self.path / "attempts.json", orjson.dumps(document))

    def _attempts(self, job: Job) -> dict[str, Any]:
        none = {
            "schema_version": SCHEMA_VERSION,
            "job": job.digest,
            "epoch": 0,
            "attempts": 0,
            "earlier_cpu_seconds": 0.0,
            "pid": None,
            "cpu_seconds": 0.0,
        }
        try:
            document = orjson.loads((self.path / "attempts.json").read_bytes())
        except (OSError, ValueError):
            return none
        if not isinstance(document, dict) or document.keys() != none.keys():
            return none
        return document if document["job"] == job.digest else {**none, "epoch": document["epoch"]}

    def _lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + HOLD_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
                    raise WorkerFailed(
                        f"{self.path} is held by another worker, process {holder or 'unknown'}, "
                        "whose daemon has ended: end it"
                    ) from None
                time.sleep(0.05)
            else:
                return


def _next(document: dict[str, Any], pid: int) -> dict[str, Any]:
    return {
        **document,
        "attempts": document["attempts"] + 1,
        "earlier_cpu_seconds": document["earlier_cpu_seconds"] + document["cpu_seconds"],
        "pid": pid,
        "cpu_seconds": 0.0,
    }
