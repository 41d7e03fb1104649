"""What this process may use of the machine: cores and memory, also inside a container."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")

# cgroup v1 has no word for "no limit", but a number that no machine has: the largest page-aligned
# one of 63 bits.
_UNLIMITED_BYTES = 2**60


def usable_cores() -> frozenset[int]:
    """Numbers of the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def usable_core_count(*, proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """As many, or fewer where a container may use only so much time of them."""
    quotas = [_quota(directory) for directory in _own_cgroups("cpu", proc, cgroups)]
    return max(1, int(min([float(len(usable_cores())), *quotas])))


def memory_bytes(*, proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int | None:
    """The machine's memory, or the least that a cgroup of this process may have; None where the
    system tells neither."""
    found = []
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemTotal:"):
            found.append(int(line.split()[1]) * 1_024)
    for directory in _own_cgroups("memory", proc, cgroups):
        for name in ("memory.max", "memory.limit_in_bytes"):
            for line in _lines(directory / name):
                if line.isdecimal() and int(line) < _UNLIMITED_BYTES:
                    found.append(int(line))
    return min(found, default=None)


def _own_cgroups(controller: str, proc: Path, cgroups: Path) -> Iterator[Path]:
    """Directories of the groups that this process is in, each with all above it: the limits of
    all of them hold. Version 2 has one tree, version 1 one for each controller."""
    for line in _lines(proc / "self" / "cgroup"):
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            root = cgroups
        elif controller in controllers.split(","):
            root = cgroups / controller
        else:
            continue
        # A container may be shown its path as its host sees it, which is not mounted here.
        here = root / path.lstrip("/")
        for directory in (here, *here.parents):
            if directory.is_relative_to(root):
                yield directory


def _quota(directory: Path) -> float:
    """Processors' worth of time; infinity where there is no limit."""
    for line in _lines(directory / "cpu.max"):
        quota, period = line.split()
        if quota != "max":
            return int(quota) / int(period)
    quotas = _lines(directory / "cpu.cfs_quota_us")
    periods = _lines(directory / "cpu.cfs_period_us")
    if quotas and periods and int(quotas[0]) > 0:
        return int(quotas[0]) / int(periods[0])
    return math.inf


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
