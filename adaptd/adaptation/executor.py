"""Runs jobs out of the observing process: start, poll, stop."""

import multiprocessing
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import orjson

from adaptd.adaptation.job import Job, Progress, Result
from adaptd.adaptation.process_time import process_cpu_seconds
from adaptd.adaptation.worker import run
from adaptd.clock import Clock
from adaptd.errors import JobError, WorkerFailed

# A killed process is gone at once; this only bounds the wait for the kernel.
JOIN_SECONDS = 5.0


@dataclass(frozen=True)
class Report:
    """What has come from the worker since the last poll: the latest progress, and the result at
    its end."""

    progress: Progress | None = None
    result: Result | None = None


class Executor(Protocol):
    """Where jobs run: one at a time for each executor. No method blocks for longer than a kill
    takes."""

    def start(self, job: Job, *, wall_seconds: float) -> None:
        """Begins the job; it is killed after so many seconds.

        Raises RuntimeError if one is running, WorkerFailed where no process can be had.
        """
        ...

    def poll(self) -> Report:
        """What is new.

        Raises, once and with the executor free again, WorkerFailed when the worker has died,
        failed or run out of time, and JobError when the job cannot be done at all.
        """
        ...

    def stop(self) -> None:
        """Kills what runs; does nothing where nothing does."""
        ...

    @property
    def cpu_seconds(self) -> float:
        """Processor seconds of all its workers so far: of those that ended, failed or were killed,
        and of the one that runs. Never falls."""
        ...


class LocalExecutor:
    """A spawned process for each job. The process ends when this one does, however that happens."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._deadline = 0.0
        # Of the workers that are over, and of the one that runs as far as was seen.
        self._spent = self._running = 0.0
        self._wall_seconds = 0.0

    def start(self, job: Job, *, wall_seconds: float) -> None:
        if self._process is not None:
            raise RuntimeError("this executor runs a job already")
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(
            target=run,
            args=(theirs, job.model_dump_json()),
            name=f"adaptd-worker-{job.stream}",
            daemon=True,
        )
        try:
            self._process.start()
        except OSError as error:
            ours.close()
            self._process = None
            raise WorkerFailed(f"no worker process could be started: {error}") from error
        finally:
            theirs.close()
        self._connection = ours
        self._wall_seconds = wall_seconds
        self._deadline = self._clock.monotonic() + wall_seconds

    def poll(self) -> Report:
        if self._process is None or self._connection is None:
            return Report()
        progress: Progress | None = None
        try:
            while self._connection.poll():
                message = orjson.loads(self._connection.recv_bytes())
                match message["kind"]:
                    case "progress":
                        progress = Progress.model_validate(message["document"])
                    case "result":
                        used = self._end(message)
                        result = Result.model_validate(message["document"])
                        return Report(progress, result.model_copy(update={"cpu_seconds": used}))
                    case "refusal":
                        self._end(message)
                        raise JobError(str(message["error"]))
                    case _:
                        self._end(message)
                        raise WorkerFailed(str(message["error"]))
        except (EOFError, OSError) as error:
            self._measure()
            self._process.join(JOIN_SECONDS)
            code = self._process.exitcode
            self.stop()
            raise WorkerFailed(f"the worker ended without a result (exit code {code})") from error
        if self._clock.monotonic() > self._deadline:
            self.stop()
            raise WorkerFailed(f"the worker was killed at its wall limit of {self._wall_seconds} s")
        return Report(progress)

    @property
    def cpu_seconds(self) -> float:
        self._measure()
        return self._spent + self._running

    def stop(self) -> None:
        if self._process is None or self._connection is None:
            return
        self._measure()
        self._spent, self._running = self._spent + self._running, 0.0
        self._connection.close()
        self._process.kill()
        self._process.join(JOIN_SECONDS)
        self._process.close()
        self._process = self._connection = None

    def _end(self, message: Mapping[str, Any]) -> float:
        """Ends a worker that has said its last, and how much it has used; returns that."""
        self._measure()
        self._running = used = max(self._running, float(message["cpu_seconds"]))
        self.stop()
        return used

    def _measure(self) -> None:
        if self._process is not None and self._process.pid is not None:
            self._running = max(self._running, process_cpu_seconds(self._process.pid))
