"""`Conditions`: what a worker process takes upon itself before it begins."""

import ctypes
import os
import signal
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Read by OpenMP, MKL and OpenBLAS when they are loaded, so before torch is imported.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# Of 1,000: where the machine's memory runs out in spite of all limits, the kernel ends a worker and
# not the observer.
_OUT_OF_MEMORY_SCORE = 900

# prctl(2): the signal that a process gets when the thread that started it ends.
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Conditions:
    """nice: of 19. cores: numbers of processors, None for all. checkpoint_seconds: how often it
    writes down where it stands."""

    nice: int = 0
    threads: int = 1
    cores: tuple[int, ...] | None = None
    checkpoint_seconds: float = 10.0


def impose(conditions: Conditions, environment: MutableMapping[str, str] = os.environ) -> None:
    """On this process. What the system does not have or allow is left out."""
    with suppress(OSError):
        os.nice(conditions.nice)
    if conditions.cores is not None and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, conditions.cores)
    for name in _THREAD_VARIABLES:
        environment[name] = str(conditions.threads)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OUT_OF_MEMORY_SCORE))


def end_with(parent: int) -> None:
    """From now on this process is killed when its parent ends, also while native code keeps it from
    running any Python. Exits where the parent has ended already. Linux only."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
