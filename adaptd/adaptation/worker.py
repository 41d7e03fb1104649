"""The entry of a worker process. Only what runs below here imports torch."""

import importlib
import os
import resource
import signal
import threading
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import orjson

from adaptd.adaptation.execution.conditions import Conditions, end_with, impose
from adaptd.adaptation.execution.working_directory import WorkingDirectory
from adaptd.adaptation.job import Job, Progress, Result
from adaptd.errors import PermanentError

# What the parent sends to ask for an end.
END = b"end"


def run(connection: Connection, job_json: str, conditions: Mapping[str, Any], parent: int) -> None:
    """Does the job and sends messages, as JSON bytes, the last of which says how it ended.

    `progress`, `kept` (a checkpoint), `warning`; then `result` (it stands in the job's directory),
    `refusal`, `error` or `ended`. Asked to end, by the parent or by SIGTERM, it writes a checkpoint
    first. The process ends when the other end of the pipe closes, whatever it is doing then.
    """
    end_with(parent)
    # A terminal sends Ctrl-C to the whole group; the parent decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = _Line(connection)

    def end(_number: int, _frame: FrameType | None) -> None:
        line.is_to_end.set()

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=line.listen, daemon=True).start()
    impose(Conditions(**conditions))
    try:
        line.send(_work(Job.model_validate_json(job_json), Conditions(**conditions), line))
    except PermanentError as error:
        line.send({"kind": "refusal", "error": str(error)})
    except Exception:  # noqa: BLE001 -- the outermost frame of a process: its parent must learn why
        line.send({"kind": "error", "error": traceback.format_exc()})


class _Line:
    """To the parent."""

    def __init__(self, connection: Connection) -> None:
        self.is_to_end = threading.Event()
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._connection.send_bytes(orjson.dumps(message))

    def report(self, progress: Progress) -> None:
        self.send({"kind": "progress", "document": progress.model_dump()})

    def warn(self, text: str) -> None:
        self.send({"kind": "warning", "text": text})

    def listen(self) -> None:
        try:
            while self._connection.recv_bytes() == END:
                self.is_to_end.set()
        except (EOFError, OSError):
            os._exit(1)


def _work(job: Job, conditions: Conditions, line: _Line) -> dict[str, Any]:
    """The last message."""
    directory, pid = WorkingDirectory(job.output), os.getpid()
    with directory.hold(job, pid=pid):
        if directory.result(job) is not None:
            # The attempt before this one ended between writing it and saying so.
            return {"kind": "result"}
        directory.take_over(job)
        # By name, since the parent imports this module too and must stay without torch.
        keeping = importlib.import_module("adaptd.adaptation.keeper")
        rungs = importlib.import_module("adaptd.adaptation.rungs")

        def kept() -> None:
            directory.charge(job, pid=pid, cpu_seconds=_cpu_seconds())
            line.send({"kind": "kept"})

        keeper = keeping.Keeper(
            directory,
            seconds=conditions.checkpoint_seconds,
            is_to_end=line.is_to_end.is_set,
            on_kept=kept,
            warn=line.warn,
        )
        try:
            result: Result = rungs.perform(
                job, line.report, keeper=keeper, threads=conditions.threads
            )
        except keeping.Interrupted:
            return {"kind": "ended"}
        directory.charge(job, pid=pid, cpu_seconds=_cpu_seconds())
        directory.finish(
            result.model_copy(
                update={
                    "job": job.digest,
                    "epoch": job.epoch,
                    "cpu_seconds": directory.spent(job),
                }
            )
        )
        return {"kind": "result"}


def _cpu_seconds() -> float:
    """User and system, all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
