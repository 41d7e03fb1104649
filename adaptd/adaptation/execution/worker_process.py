"""`WorkerProcess`: one job in a process of its own, from its start to whatever ends it."""

import multiprocessing
import os
import signal
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

import orjson
import structlog

from adaptd.adaptation import worker
from adaptd.adaptation.execution.conditions import Conditions
from adaptd.adaptation.execution.usage import usage_of
from adaptd.adaptation.execution.watchdog import Watchdog
from adaptd.adaptation.execution.working_directory import WorkingDirectory
from adaptd.adaptation.job import Job, Progress, Result
from adaptd.clock import Clock
from adaptd.errors import JobError, WorkerFailed

log = structlog.get_logger()

# A killed process is gone at once; this only bounds the wait for the kernel.
JOIN_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """Of one worker; it is killed beyond. memory_bytes: resident, None for no bound. hang_seconds:
    without a step."""

    wall_seconds: float
    hang_seconds: float
    memory_bytes: int | None


class WorkerProcess:
    """`tend` it now and then, until `outcome` is there; the process is gone then."""

    def __init__(
        self,
        job: Job,
        *,
        limits: Limits,
        conditions: Conditions,
        watchdog: Watchdog,
        clock: Clock,
    ) -> None:
        """Spawns it. Raises WorkerFailed where no process can be had."""
        self.job = job
        self.outcome: Result | WorkerFailed | JobError | None = None
        self._limits = limits
        self._watchdog = watchdog
        self._clock = clock
        self._directory = WorkingDirectory(job.output)
        self._progress: Progress | None = None
        self._has_kept = False
        self._used = 0.0
        self._last: dict[str, Any] | None = None
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=worker.run,
            args=(theirs, job.model_dump_json(), asdict(conditions), os.getpid()),
            name=f"adaptd-worker-{job.stream}",
            daemon=True,
        )
        try:
            self._process.start()
        except OSError as error:
            self._connection.close()
            raise WorkerFailed(
                f"no worker process could be started: {error}", cause="start"
            ) from error
        finally:
            theirs.close()
        self._watched = watchdog.watch(self._pid, limit_bytes=limits.memory_bytes)
        self._begun = self._heard = clock.monotonic()

    @property
    def sentinel(self) -> int:
        """What `multiprocessing.connection.wait` waits for: ready when the process has ended."""
        return self._process.sentinel

    @property
    def cpu_seconds(self) -> float:
        """User and system, so far; as far as the system tells."""
        if self.outcome is None and (usage := usage_of(self._pid)) is not None:
            self._used = max(self._used, usage.cpu_seconds)
        return self._used

    def take_progress(self) -> Progress | None:
        """The latest, once."""
        progress, self._progress = self._progress, None
        return progress

    def ask_to_end(self) -> None:
        """It writes down where it stands, and ends."""
        try:
            self._connection.send_bytes(worker.END)
        except (BrokenPipeError, OSError):
            # It has ended by itself.
            return

    def tend(self) -> None:
        """Hears what has come, and kills it at a limit."""
        if self.outcome is not None:
            return
        now = self._clock.monotonic()
        try:
            while self._last is None and self._connection.poll():
                self._hear(orjson.loads(self._connection.recv_bytes()))
                self._heard = now
        except (EOFError, OSError):
            # It is ending: by what, only its exit code says.
            wait([self._process.sentinel], JOIN_SECONDS)
            self.outcome = self._death(self._reap())
            return
        limits = self._limits
        if self._last is not None:
            self._reap()
            self.outcome = self._conclusion(self._last)
        elif now - self._begun > limits.wall_seconds:
            self.kill(
                f"the worker was killed at its wall limit of {limits.wall_seconds:g} s",
                cause="wall",
            )
        elif now - self._heard > limits.hang_seconds:
            self.kill(
                f"the worker hung: it made no step for {limits.hang_seconds:g} s "
                "(workers.hang_seconds), and was killed",
                cause="hang",
            )

    def kill(self, why: str, *, cause: str) -> None:
        """Now. Nothing where it is gone."""
        if self.outcome is None:
            self._reap()
            self.outcome = self._failure(why, cause=cause)

    @property
    def _pid(self) -> int:
        pid = self._process.pid
        if pid is None:
            raise RuntimeError("a process that was started has a number")
        return pid

    def _hear(self, message: dict[str, Any]) -> None:
        match message["kind"]:
            case "progress":
                self._progress = Progress.model_validate(message["document"])
            case "kept":
                self._has_kept = True
            case "warning":
                log.warning("worker.warning", stream=self.job.stream, text=message["text"])
            case _:
                self._last = message

    def _conclusion(self, message: dict[str, Any]) -> Result | WorkerFailed | JobError:
        """What it said last."""
        match message["kind"]:
            case "result":
                result = self._directory.result(self.job)
                return result or self._failure(
                    f"{self._directory.path} holds no result for epoch {self.job.epoch}, though "
                    "the worker wrote one: another owner has been at work there",
                    cause="error",
                )
            case "refusal":
                return JobError(message["error"], cpu_seconds=self._directory.spent(self.job))
            case "ended":
                return self._failure(
                    "the worker was asked to end, and has kept where it stood", cause="ended"
                )
        return self._failure(message["error"], cause="error")

    def _death(self, code: int | None) -> WorkerFailed:
        """Why it has ended without a word."""
        used, allowed = self._watched.exceeded_bytes, self._limits.memory_bytes
        if used is not None and allowed is not None:
            return self._failure(
                f"out of memory: used {_size(used)} of {_size(allowed)} allowed "
                "(workers.memory_bytes)",
                cause="memory",
            )
        return self._failure(f"the worker ended without a result: {_ending(code)}", cause="crash")

    def _failure(self, text: str, *, cause: str) -> WorkerFailed:
        return WorkerFailed(
            text,
            cause=cause,
            cpu_seconds=self._directory.spent(self.job),
            has_progressed=self._has_kept,
        )

    def _reap(self) -> int | None:
        """Ends it, whatever it does, and writes down what it has cost. Returns the exit code."""
        self._connection.close()
        self._process.kill()
        wait([self._process.sentinel], JOIN_SECONDS)
        # All that it has used is known until somebody waits for it.
        usage = usage_of(self._pid)
        self._watchdog.forget(self._watched)
        seconds = self._watched.cpu_seconds if usage is None else usage.cpu_seconds
        self._used = max(self._used, seconds or 0.0)
        if seconds is not None and self._directory.path.is_dir():
            self._directory.charge(self.job, pid=self._pid, cpu_seconds=seconds)
        self._process.join(JOIN_SECONDS)
        code = self._process.exitcode
        self._process.close()
        return code


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    number = signal.Signals(-code)
    text = f"{number.name}, {signal.strsignal(number)}"
    if number is signal.SIGKILL:
        text += ": by somebody, or by the kernel where the machine has no memory left"
    return text


def _size(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
