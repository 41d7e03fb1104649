"""`SearchDirectory`: what a search leaves, and where it stands."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import orjson

from adaptd.adaptation.search.job import SCHEMA_VERSION, Claim
from adaptd.errors import ArtifactError, ConfigError, ConflictError
from adaptd.store.files import sweep, write_atomically

State = Literal["empty", "begun", "finished"]


class SearchDirectory:
    """The paths inside. `report` is written last: where it is, the search is finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.release = path / "release"
        self.report = path / "search.json"
        self.trace = path / "trace.json"
        self.alphas = path / "alphas.png"
        self.svg = path / "architecture.svg"
        self.dot = path / "architecture.dot"
        self.checkpoint = path / "checkpoint.safetensors"
        self.records = path / "records"

    @property
    def state(self) -> State:
        if self.report.exists():
            return "finished"
        return "begun" if self.checkpoint.exists() else "empty"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Makes the directory, and keeps every other process out of it while inside.

        Raises ConfigError if it cannot be made, ConflictError if another process holds it.
        """
        is_new = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise ConfigError(
                f"--out {self.path}: cannot be made or read: {error.strerror}"
            ) from error
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)
            if is_new:
                # Where nothing was begun, nothing is left; it stays where it holds something.
                with suppress(OSError):
                    self.path.rmdir()

    def claimed(self, claim: Claim) -> State:
        """What a search finds there; "empty" where it has to begin anew. Removes nothing of it.

        claim: "new" for an empty directory, "resume" to go on or begin, "force" to begin anew.
        Raises ConfigError where the directory does not suit.
        """
        sweep(self.path)
        state = self.state
        if claim == "new" and state != "empty":
            found = "a finished search" if state == "finished" else "an unfinished search"
            what = "shows it again" if state == "finished" else "goes on with it"
            raise ConfigError(
                f"--out {self.path} holds {found}: --resume {what}, --force begins anew"
            )
        if state == "empty":
            strange = [path.name for path in self.path.iterdir() if path not in self._own]
            if strange:
                raise ConfigError(
                    f"--out {self.path} holds {', '.join(sorted(strange)[:3])}, but no search: "
                    "give a directory that is empty or not there yet"
                )
        return "empty" if claim == "force" else state

    def clear(self) -> None:
        """Removes what a search leaves, and nothing else."""
        # The report first: without it nothing that is left counts as finished.
        for path in self._own:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def write_trace(self, trace: dict[str, Any]) -> None:
        write_atomically(self.trace, orjson.dumps(trace) + b"\n")

    def finish(self, report: dict[str, Any]) -> None:
        """Writes the report; what only served to go on is removed then."""
        document = orjson.dumps(report, option=orjson.OPT_INDENT_2)
        write_atomically(self.report, document + b"\n")
        self.tidy()

    def tidy(self) -> None:
        """Removes what only an unfinished search needs, and what killed writes have left."""
        self.checkpoint.unlink(missing_ok=True)
        self._aside.unlink(missing_ok=True)
        shutil.rmtree(self.records, ignore_errors=True)
        sweep(self.path)

    def read_report(self) -> dict[str, Any]:
        """Raises ArtifactError if it is damaged or of another version."""
        return self._read(self.report)

    def read_trace(self) -> dict[str, Any]:
        """Raises ArtifactError if it is absent, damaged or of another version."""
        return self._read(self.trace)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(
                f"{self.path}: another search is at work there: wait for it, or give another --out"
            ) from error

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            document = orjson.loads(path.read_bytes())
            version = document["schema_version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{path}: not readable: {error}; --force begins the search anew"
            ) from error
        if version != SCHEMA_VERSION:
            raise ArtifactError(f"{path}: expected schema_version {SCHEMA_VERSION}, got {version}")
        return dict(document)

    @property
    def _aside(self) -> Path:
        return self.checkpoint.with_name(self.checkpoint.name + ".new")

    @property
    def _own(self) -> tuple[Path, ...]:
        return (
            self.report,
            self.trace,
            self.alphas,
            self.svg,
            self.dot,
            self.checkpoint,
            self._aside,
            self.records,
            self.release,
        )
