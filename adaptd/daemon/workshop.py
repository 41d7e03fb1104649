"""`Workshop`: one episode's job in a worker, until its result has been taken."""

from dataclasses import dataclass
from typing import Literal

import structlog

from adaptd.adaptation.job import Job, Progress, Result
from adaptd.daemon.assignment import Assignment
from adaptd.daemon.context import StreamContext
from adaptd.errors import JobError, WorkerFailed

log = structlog.get_logger()

# A worker that died (of memory, of a signal) is tried once more before the episode fails. One that
# has got further than the one before it does not count: it will be done some time.
FRUITLESS_ATTEMPTS = 2

# In all: one that gets a little further each time costs more than it is worth.
ATTEMPTS = 10


@dataclass(frozen=True)
class Failure:
    """Why no result will come. outcome: what the episode ends as. cpu_seconds: of all attempts,
    None where unknown."""

    outcome: Literal["failed", "refused"]
    reason: str
    cpu_seconds: float | None = None


class Workshop:
    """Starts a job, tries it again where a worker dies, and keeps its result until `clear`: the
    store may be away when it comes."""

    def __init__(self, context: StreamContext) -> None:
        self._context = context
        self._assignment = Assignment(context)
        self._attempts = 0
        self._fruitless = 0
        self._result: Result | None = None

    @property
    def is_idle(self) -> bool:
        """Whether `start` is what comes next."""
        return not self._assignment.is_running and self._result is None

    def start(self, job: Job) -> None:
        """Begins, or goes on after a worker that died."""
        self._assignment.start(job, wall_seconds=self._context.config.episode.wall_seconds)
        self._attempts += 1

    def poll(self, episode: str) -> Result | Failure | Progress | None:
        """The result, as often as it is asked for; why there will be none; how far it is; or None
        for nothing new."""
        if self._result is not None:
            return self._result
        try:
            report = self._assignment.poll()
        except WorkerFailed as error:
            return self._failed(error, episode)
        except JobError as error:
            return Failure("failed", str(error), error.cpu_seconds)
        if report.result is None:
            return report.progress
        if report.result.refused is not None:
            return Failure("refused", report.result.refused, report.result.cpu_seconds)
        self._result = report.result
        return report.result

    def clear(self) -> None:
        """The result has been taken, or nobody wants one any more."""
        self._assignment.cancel()
        self._attempts = self._fruitless = 0
        self._result = None

    def _failed(self, error: WorkerFailed, episode: str) -> Failure | None:
        self._fruitless = 0 if error.has_progressed else self._fruitless + 1
        log.error(
            "episode.worker_failed",
            stream=self._context.stream,
            episode=episode,
            cause=error.cause,
            attempt=self._attempts,
            has_progressed=error.has_progressed,
            cpu_seconds=error.cpu_seconds,
            error=str(error),
        )
        # Its time is over, however far it got.
        is_over = error.cause == "wall"
        if is_over or self._fruitless >= FRUITLESS_ATTEMPTS or self._attempts >= ATTEMPTS:
            return Failure("failed", str(error), error.cpu_seconds)
        return None
