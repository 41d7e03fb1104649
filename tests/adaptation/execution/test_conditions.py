import os
import subprocess
import sys
from pathlib import Path

import pytest

# Says what came of it, in a process of its own: none of it can be taken back.
IMPOSED = """
import os
from adaptd.adaptation.execution.conditions import Conditions, impose

before = os.getpriority(os.PRIO_PROCESS, 0)
impose(Conditions(nice=3, threads=2, cores=({core},)))
print(os.getpriority(os.PRIO_PROCESS, 0) - before, *os.sched_getaffinity(0))
print(os.environ["OMP_NUM_THREADS"], open("/proc/self/oom_score_adj").read())
import torch
print(torch.get_num_threads())
"""


@pytest.mark.slow
def test_conditions_hold_for_the_process_that_imposes_them() -> None:
    core = max(os.sched_getaffinity(0))
    said = subprocess.run(
        [sys.executable, "-c", IMPOSED.format(core=core)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ).stdout
    nice, cores, threads, score, torch_threads = said.split()
    assert int(nice) == 3 or os.getpriority(os.PRIO_PROCESS, 0) > 16
    assert int(cores) == core
    assert (threads, score, torch_threads) == ("2", "900", "2")


def test_one_whose_parent_has_gone_ends_at_once() -> None:
    code = (
        "from adaptd.adaptation.execution.conditions import end_with\n"
        f"end_with({os.getpid()})\nprint('alive', flush=True)\nend_with(1)\nprint('still alive')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (1, "alive\n")


def test_the_parent_s_modules_do_without_torch() -> None:
    code = (
        "import sys\n"
        "from adaptd.adaptation.execution import local\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path.cwd())
