"""`Workshop`: one episode's job in a worker, until its result has been taken."""

from dataclasses import dataclass
from typing import Literal

import structlog

from adaptd.adaptation.job import Job, Progress, Result
from adaptd.daemon.context import StreamContext
from adaptd.errors import JobError, WorkerFailed

log = structlog.get_logger()

# A worker that died (of memory, of a signal) is tried once more before the episode fails.
ATTEMPTS = 2


@dataclass(frozen=True)
class Failure:
    """Why no result will come. outcome: what the episode ends as."""

    outcome: Literal["failed", "refused"]
    reason: str


class Workshop:
    """Starts a job, tries it again where a worker dies, and keeps its result until `clear`: the
    store may be away when it comes."""

    def __init__(self, context: StreamContext) -> None:
        self._context = context
        self._is_working = False
        self._failures = 0
        self._result: Result | None = None

    @property
    def is_idle(self) -> bool:
        """Whether `start` is what comes next."""
        return not self._is_working and self._result is None

    def start(self, job: Job) -> None:
        """Begins, or begins again after a worker that died."""
        self._context.executor.start(job, wall_seconds=self._context.config.episode.wall_seconds)
        self._is_working = True

    def poll(self, episode: str) -> Result | Failure | Progress | None:
        """The result, as often as it is asked for; why there will be none; how far it is; or None
        for nothing new."""
        if self._result is not None:
            return self._result
        try:
            report = self._context.executor.poll()
        except WorkerFailed as error:
            self._is_working = False
            self._failures += 1
            log.error(
                "episode.worker_failed",
                stream=self._context.stream,
                episode=episode,
                error=str(error),
            )
            return Failure("failed", str(error)) if self._failures >= ATTEMPTS else None
        except JobError as error:
            self._is_working = False
            return Failure("failed", str(error))
        if report.result is None:
            return report.progress
        self._is_working = False
        if report.result.refused is not None:
            return Failure("refused", report.result.refused)
        self._result = report.result
        return report.result

    def clear(self) -> None:
        """The result has been taken, or nobody wants one any more."""
        self._is_working = False
        self._failures = 0
        self._result = None
