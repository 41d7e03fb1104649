"""`LocalExecutor`: a fixed pool of workers on this machine, for all streams of a daemon."""

import time
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import wait

from adaptd.adaptation.execution.conditions import Conditions
from adaptd.adaptation.execution.machine import memory_bytes, usable_core_count, usable_cores
from adaptd.adaptation.execution.watchdog import Watchdog
from adaptd.adaptation.execution.worker_process import Limits, WorkerProcess
from adaptd.adaptation.executor import Handle, Report
from adaptd.adaptation.job import WAITING, Job, Progress, Result
from adaptd.clock import Clock
from adaptd.config import WorkersConfig
from adaptd.errors import ConfigError, WorkerFailed

# How long a worker that was asked to end may take to write down where it stands. With the last
# checkpoint of the streams it leaves a clean stop under 5 seconds.
END_SECONDS = 3.0

# Of the memory there is, what all workers together may take: the rest is the observer's, the
# server's and the file cache's.
_MEMORY_SHARE = 0.75
# What a worker should have, where nobody says: torch takes some 400 MB before it has a network.
_USUAL_MEMORY_BYTES = 1_536 * 2**20


@dataclass
class _Assignment:
    """A job that somebody wants. worker: None while it waits; failure: no process could be had."""

    job: Job
    wall_seconds: float
    worker: WorkerProcess | None = None
    failure: WorkerFailed | None = None


class LocalExecutor:
    """At most `count` jobs run, the others wait in the order in which they came.

    Each job has a process of its own, spawned and never forked: the parent has threads, and
    libraries whose locks a fork would copy in whatever state they are. A process that was used
    before would save the import of torch (2.5 to 5 CPU seconds, against minutes of an episode), and
    would keep what the job before it left in memory, in torch's global generator and in the modules
    of somebody's network: what a job gives must not depend on what ran before it.

    One thread calls it. It never waits for a worker, but for one that it kills.
    """

    def __init__(self, config: WorkersConfig | None = None, *, clock: Clock) -> None:
        """Raises ConfigError for processors that this process may not use."""
        config = config or WorkersConfig()
        cores = frozenset(config.cores) if config.cores else usable_cores()
        if not cores <= usable_cores():
            raise ConfigError(
                f"workers.cores: {sorted(cores - usable_cores())} cannot be used by this process, "
                f"expected some of {sorted(usable_cores())}"
            )
        usual = min(usable_core_count(), len(cores) + 1) - 1
        self.memory_bytes = config.memory_bytes
        machine = memory_bytes()
        self.count = config.count or _usual_count(
            usual // config.threads, machine, config.memory_bytes
        )
        if self.memory_bytes is None and machine is not None:
            self.memory_bytes = int(_MEMORY_SHARE * machine) // self.count
        self._config = config
        self._conditions = Conditions(
            nice=config.nice,
            threads=config.threads,
            cores=config.cores,
            checkpoint_seconds=config.checkpoint_seconds,
        )
        self._clock = clock
        self._watchdog = Watchdog()
        self._handles = count(1)
        self._assignments: dict[Handle, _Assignment] = {}
        # Those that nobody wants any more, and when each is killed.
        self._ending: list[tuple[WorkerProcess, float]] = []
        # What is over, by stream, and who is not.
        self._spent: dict[str, float] = {}
        self._metered: list[WorkerProcess] = []

    @property
    def busy(self) -> int:
        """Workers that there are, also those that are ending."""
        return len(self._workers) + len(self._ending)

    @property
    def waiting(self) -> int:
        """Jobs for which there is no worker yet."""
        return len(self._queue)

    def start(self, job: Job, *, wall_seconds: float) -> Handle:
        """See `Executor`."""
        handle = Handle(next(self._handles))
        self._assignments[handle] = _Assignment(job, wall_seconds)
        self._tend()
        return handle

    def progress(self, handle: Handle) -> Report:
        """See `Executor`."""
        self._tend()
        assignment = self._assignments[handle]
        worker = assignment.worker
        outcome = assignment.failure if worker is None else worker.outcome
        if outcome is None:
            if worker is not None:
                return Report(worker.take_progress())
            before = self._queue.index(handle)
            return Report(Progress(phase=WAITING, step=before, steps=0))
        del self._assignments[handle]
        self._tend()
        if isinstance(outcome, Result):
            return Report(None if worker is None else worker.take_progress(), outcome)
        raise outcome

    def cancel(self, handle: Handle) -> None:
        """See `Executor`."""
        assignment = self._assignments.pop(handle, None)
        worker = None if assignment is None else assignment.worker
        if worker is not None and worker.outcome is None:
            worker.ask_to_end()
            self._ending.append((worker, self._clock.monotonic() + END_SECONDS))
        self._tend()

    def tend(self) -> None:
        """Hears all workers, and kills at a limit; now and then, whether anybody asks or not."""
        self._tend()

    def cpu_seconds(self, stream: str) -> float:
        """See `Executor`."""
        for worker in self._metered:
            if worker.outcome is not None:
                of = worker.job.stream
                self._spent[of] = self._spent.get(of, 0.0) + worker.cpu_seconds
        self._metered = [worker for worker in self._metered if worker.outcome is None]
        running = sum(one.cpu_seconds for one in self._metered if one.job.stream == stream)
        return self._spent.get(stream, 0.0) + running

    def close(self) -> None:
        """Every worker may keep where it stands; none is left when it returns, within seconds."""
        waiting = self._queue
        for handle in waiting:
            del self._assignments[handle]
        for handle in [*self._assignments]:
            self.cancel(handle)
        deadline = time.monotonic() + END_SECONDS
        while self._ending and (left := deadline - time.monotonic()) > 0:
            wait([worker.sentinel for worker, _ in self._ending], min(left, 0.1))
            self._tend()
        for worker, _ in self._ending:
            worker.kill("the daemon ends", cause="ended")
        self._ending.clear()
        self._watchdog.close()

    @property
    def _queue(self) -> list[Handle]:
        return [
            handle
            for handle, assignment in self._assignments.items()
            if assignment.worker is None and assignment.failure is None
        ]

    @property
    def _workers(self) -> list[WorkerProcess]:
        return [
            assignment.worker
            for assignment in self._assignments.values()
            if assignment.worker is not None and assignment.worker.outcome is None
        ]

    def _tend(self) -> None:
        for worker in self._workers:
            worker.tend()
        now = self._clock.monotonic()
        for worker, deadline in self._ending:
            worker.tend()
            if now > deadline:
                worker.kill("it was cancelled, and did not end by itself", cause="ended")
        self._ending = [one for one in self._ending if one[0].outcome is None]
        for handle in self._queue:
            if self.busy >= self.count:
                break
            self._admit(self._assignments[handle])

    def _admit(self, assignment: _Assignment) -> None:
        if any(assignment.job.output == worker.job.output for worker, _ in self._ending):
            # It goes on from what that one is writing down now.
            return
        try:
            assignment.worker = WorkerProcess(
                assignment.job,
                limits=Limits(
                    wall_seconds=assignment.wall_seconds,
                    hang_seconds=self._config.hang_seconds,
                    memory_bytes=self.memory_bytes,
                ),
                conditions=self._conditions,
                watchdog=self._watchdog,
                clock=self._clock,
            )
            self._metered.append(assignment.worker)
        except WorkerFailed as error:
            assignment.failure = error


def _usual_count(cores: int, machine: int | None, of_each: int | None) -> int:
    """As many workers as cores can serve and as find memory, at least one."""
    fitting = cores
    if machine is not None:
        fitting = int(_MEMORY_SHARE * machine) // (of_each or _USUAL_MEMORY_BYTES)
    return max(1, min(cores, fitting))
