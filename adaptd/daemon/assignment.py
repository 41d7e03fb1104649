"""`Assignment`: the one job of a stream that an executor has."""

from adaptd.adaptation.executor import CAUSES, Handle, Report
from adaptd.adaptation.job import Job, Kind, Result
from adaptd.daemon.context import StreamContext
from adaptd.errors import JobError, WorkerFailed


class Assignment:
    """Holds the handle from the start of a job to whatever ends it."""

    def __init__(self, context: StreamContext) -> None:
        self._context = context
        self._handle: Handle | None = None
        self._kind: Kind | None = None
        for cause in CAUSES:
            context.metrics.worker_failures.labels(context.stream, cause)

    @property
    def is_running(self) -> bool:
        """Whether there is a job without an outcome; it may still wait for a worker."""
        return self._handle is not None

    @property
    def kind(self) -> Kind | None:
        """Of the job that is running."""
        return self._kind if self.is_running else None

    def start(self, job: Job, *, wall_seconds: float) -> None:
        """Raises RuntimeError if there is one already."""
        if self._handle is not None:
            raise RuntimeError("a stream has one job at a time")
        self._handle = self._context.executor.start(job, wall_seconds=wall_seconds)
        self._kind = job.kind

    def poll(self) -> Report:
        """What is new; nothing where there is no job.

        Raises WorkerFailed and JobError as the executor does, and WorkerFailed for a result that
        was asked for by an earlier owner of the stream: it may be of a worker that nobody watched.
        """
        if self._handle is None:
            return Report()
        try:
            report = self._context.executor.progress(self._handle)
            if report.result is not None:
                self._handle = None
                self._check(report.result)
        except WorkerFailed as error:
            self._handle = None
            self._context.metrics.worker_failures.labels(self._context.stream, error.cause).inc()
            raise
        except JobError:
            self._handle = None
            raise
        return report

    def cancel(self) -> None:
        """Nobody wants the result any more. Nothing where there is no job."""
        if self._handle is not None:
            self._context.executor.cancel(self._handle)
        self._handle = None

    def _check(self, result: Result) -> None:
        asked, present = result.epoch, self._context.ledger.epoch
        if asked != present:
            raise WorkerFailed(
                f"the result is not taken: it was asked for in epoch {asked}, this is {present}",
                cause="error",
                cpu_seconds=result.cpu_seconds,
            )
