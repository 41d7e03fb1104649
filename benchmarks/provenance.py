"""What a result was measured on: commit and machine."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

UNKNOWN = "unknown"


def commit(checkout: Path) -> str:
    """The hash that HEAD of this checkout has; "unknown" without git or outside a repository."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(checkout), "rev-parse", "--show-toplevel", "HEAD"],
            capture_output=True,
            check=False,
            text=True,
        )
    except OSError:
        return UNKNOWN
    if answer.returncode != 0:
        return UNKNOWN
    root, head = answer.stdout.splitlines()
    # An unpacked source archive may lie inside another project's repository.
    return head if Path(root).resolve() == checkout.resolve() else UNKNOWN


def machine() -> dict[str, Any]:
    """CPU model, the cores this process may use, and the versions that figures depend on.

    From the packages' metadata: importing torch for its version would take seconds.
    """
    return {
        "cpu": _cpu_model(Path("/proc/cpuinfo")),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
    }


def _cpu_model(cpuinfo: Path) -> str:
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    # Some kernels name no model, those of ARM among them.
    return platform.processor() or platform.machine() or UNKNOWN
