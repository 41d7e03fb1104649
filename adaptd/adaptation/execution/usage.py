"""What another process uses, as Linux tells it in /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# Of the fields behind the command's name in /proc/PID/stat, see proc(5).
_USER_TICKS, _SYSTEM_TICKS, _RESIDENT_PAGES = 11, 12, 21


@dataclass(frozen=True)
class Usage:
    """cpu_seconds: user and system, all threads, to a hundredth. resident_bytes: 0 once it has
    ended."""

    cpu_seconds: float
    resident_bytes: int


def usage_of(pid: int) -> Usage | None:
    """Also of a process that has ended and that nobody has waited for; None for no such process,
    and on systems without /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name may hold spaces and brackets.
    fields = text.rpartition(")")[2].split()
    return Usage(
        cpu_seconds=(int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / _TICKS_PER_SECOND,
        resident_bytes=int(fields[_RESIDENT_PAGES]) * _PAGE_BYTES,
    )
