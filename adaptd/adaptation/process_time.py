"""The processor time of another process."""

import os
from pathlib import Path

# Fields of /proc/PID/stat behind the name, which may itself hold spaces: see proc_pid_stat(5).
_USER, _SYSTEM = 11, 12


def process_cpu_seconds(pid: int) -> float:
    """What the process has used so far, in hundredths of a second; also of one that has ended and
    was not waited for yet. 0 where the kernel does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    return ticks / os.sysconf("SC_CLK_TCK")
