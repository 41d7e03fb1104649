"""`Watchdog`: kills a worker whose resident set grows beyond its limit."""

import os
import signal
import threading
from dataclasses import dataclass

from adaptd.adaptation.execution.usage import Usage, usage_of

# A process that touches its pages at 2 GB/s gets 100 MB further between two looks. A look takes
# some 20 µs of the parent for each worker.
LOOK_SECONDS = 0.05


@dataclass
class Watched:
    """A process, and what was seen of it. exceeded_bytes: what it held when it was killed for it,
    None while it has not been. cpu_seconds: at the last look."""

    pid: int
    limit_bytes: int | None
    peak_bytes: int = 0
    cpu_seconds: float | None = None
    exceeded_bytes: int | None = None


class Watchdog:
    """A thread of the parent, so that it looks on also while the parent waits for a disk.

    The resident set is what a process really holds: address space, which `setrlimit` bounds, is
    several times as much with torch, and a cgroup of one's own needs rights that a container and
    most services do not have.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[int, tuple[Watched, int | None]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, pid: int, *, limit_bytes: int | None) -> Watched:
        """Looks after a child of this process from now on, until `forget`."""
        watched = Watched(pid, limit_bytes)
        descriptor = _descriptor(pid)
        with self._lock:
            self._watched[pid] = watched, descriptor
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="adaptd-watchdog", daemon=True
                )
                self._thread.start()
        return watched

    def forget(self, watched: Watched) -> None:
        """What was seen stays in `watched`."""
        with self._lock:
            _, descriptor = self._watched.pop(watched.pid)
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            with self._lock:
                for watched, descriptor in self._watched.values():
                    usage = usage_of(watched.pid)
                    if usage is not None:
                        _judge(watched, descriptor, usage)


def _judge(watched: Watched, descriptor: int | None, usage: Usage) -> None:
    watched.cpu_seconds = usage.cpu_seconds
    watched.peak_bytes = max(watched.peak_bytes, usage.resident_bytes)
    limit = watched.limit_bytes
    if limit is None or usage.resident_bytes <= limit or watched.exceeded_bytes is not None:
        return
    try:
        if descriptor is None:
            os.kill(watched.pid, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        return
    watched.exceeded_bytes = usage.resident_bytes


def _descriptor(pid: int) -> int | None:
    """The number of a process that has ended may be another's at the next look, a descriptor never
    is. None where the system has none."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
