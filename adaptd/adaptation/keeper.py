"""`Keeper`: when a worker writes down where it stands, and what becomes of what an earlier one
wrote."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from adaptd.adaptation.execution.working_directory import WorkingDirectory
from adaptd.errors import StoreUnavailable
from adaptd.search.checkpoint import Checkpoint, CheckpointError

# Of a worker's time, at most this share goes into checkpoints, where they are large.
_LARGEST_SHARE = 0.05


class Interrupted(Exception):
    """The worker was asked to end, and where it stands is kept."""


class Keeper:
    """Of one attempt at a job."""

    def __init__(
        self,
        directory: WorkingDirectory,
        *,
        seconds: float = 10.0,
        is_to_end: Callable[[], bool] = lambda: False,
        on_kept: Callable[[], None] = lambda: None,
        warn: Callable[[str], None] = lambda _text: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """seconds: between two checkpoints. is_to_end: whether somebody has asked for an end.
        on_kept: called after each checkpoint. warn: told, in one line, what an operator may want
        to know."""
        self._directory = directory
        self._seconds = seconds
        self._is_to_end = is_to_end
        self._on_kept = on_kept
        self.warn = warn
        self._monotonic = monotonic
        self._due = monotonic() + seconds
        self._identity: dict[str, Any] = {}

    def take_up(self, identity: Mapping[str, Any]) -> Checkpoint | None:
        """The checkpoint of an earlier attempt at the same; else the directory is emptied.

        identity: of everything that the outcome depends on.
        """
        self._identity = dict(identity)
        if not self._directory.checkpoint.exists():
            self._directory.clear()
            return None
        try:
            kept = Checkpoint.load(self._directory.checkpoint)
        except CheckpointError as error:
            self.begin_anew(str(error))
            return None
        found = kept.values.get("identity")
        if found != self._identity:
            was = found if isinstance(found, dict) else {}
            changed = [
                f"{name} {was.get(name)}, now {now}"
                for name, now in self._identity.items()
                if was.get(name) != now
            ]
            self.begin_anew(f"it is of another job: it was written with {'; '.join(changed)}")
            return None
        return kept

    def begin_anew(self, reason: str) -> None:
        """A checkpoint cannot be gone on from: nothing of it stays."""
        self.warn(f"{self._directory.checkpoint}: the job is begun anew: {reason}")
        self._directory.clear()

    def should_pause(self) -> bool:
        """Whether a checkpoint is due, or an end was asked for."""
        return self._is_to_end() or self._monotonic() >= self._due

    def keep(self, checkpoint: Checkpoint) -> None:
        """Writes it; where the disk is full, the job goes on without.

        Raises Interrupted, afterwards, if an end was asked for.
        """
        begun = self._monotonic()
        checkpoint.values["identity"] = self._identity
        try:
            checkpoint.save(self._directory.checkpoint)
        except StoreUnavailable as error:
            self.warn(f"where the job stands could not be written, it goes on: {error}")
        else:
            self._on_kept()
        now = self._monotonic()
        self._due = now + max(self._seconds, (now - begun) / _LARGEST_SHARE)
        if self._is_to_end():
            raise Interrupted
