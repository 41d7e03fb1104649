"""`Executor`: what runs jobs out of the observing process: start, progress, cancel."""

from dataclasses import dataclass
from typing import NewType, Protocol

from adaptd.adaptation.job import Job, Progress, Result

# Why a worker ended without a result, see `WorkerFailed`.
CAUSES = ("start", "crash", "error", "hang", "memory", "wall", "ended")

# What an executor knows a job by.
Handle = NewType("Handle", int)


@dataclass(frozen=True)
class Report:
    """What has come of a job since the last question: the latest progress, and the result at its
    end."""

    progress: Progress | None = None
    result: Result | None = None


class Executor(Protocol):
    """Where jobs run, of all streams: on this machine, or on many. No method waits for a job."""

    def start(self, job: Job, *, wall_seconds: float) -> Handle:
        """Takes the job, which begins at once or when there is room; it is killed so many seconds
        after it has begun.

        A job goes on where an earlier attempt at it was cut off.
        """
        ...

    def progress(self, handle: Handle) -> Report:
        """What is new. While the job waits for a worker, its phase is `WAITING`.

        The handle is of no further use once there is a result or an error: KeyError then.
        Raises WorkerFailed when the worker has died, failed, or was killed at a limit; the job may
        be started once more. Raises JobError when the job cannot be done at all.
        """
        ...

    def cancel(self, handle: Handle) -> None:
        """Nobody wants the result any more. A job that runs is given a moment to keep where it
        stands, for whoever starts it again. Does nothing for a handle that is of no further use."""
        ...

    def cpu_seconds(self, stream: str) -> float:
        """User and system, of all workers for the stream so far: of those that ended, failed or
        were killed, and of those that run. Never falls."""
        ...
