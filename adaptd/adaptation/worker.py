"""The entry of a worker process. Only what runs below here imports torch."""

import importlib
import os
import resource
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

import orjson

from adaptd.adaptation.job import Job, Progress
from adaptd.errors import PermanentError


def run(connection: Connection, job_json: str) -> None:
    """Does the job and sends progress, then one result, refusal or error, as JSON bytes,
    the last with the processor seconds that it all took.

    The process ends when the other end of the pipe closes, whatever it is doing then.
    """
    # A terminal sends Ctrl-C to the whole group; the parent decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        with lock:
            connection.send_bytes(orjson.dumps(message))

    def report(progress: Progress) -> None:
        send({"kind": "progress", "document": progress.model_dump()})

    try:
        # By name, since the parent imports this module too and must stay without torch.
        rungs = importlib.import_module("adaptd.adaptation.rungs")
        result = rungs.perform(Job.model_validate_json(job_json), report)
        ending = {"kind": "result", "document": result.model_dump(mode="json")}
    except PermanentError as error:
        ending = {"kind": "refusal", "error": str(error)}
    except Exception:  # noqa: BLE001 -- the outermost frame of a process: its parent must learn why
        ending = {"kind": "error", "error": traceback.format_exc()}
    send({**ending, "cpu_seconds": _cpu_seconds()})


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _end_with(connection: Connection) -> None:
    try:
        connection.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
