"""The processor time of a child, while it runs and once it is a zombie."""

import os
import subprocess
import sys
import time

import pytest

from adaptd.adaptation.process_time import process_cpu_seconds

BUSY = """
import sys, time
while time.process_time() < 0.5:
    pass
print(flush=True)
sys.stdin.read()
"""


def test_a_child_that_was_busy_shows_it_even_once_it_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        running = process_cpu_seconds(child.pid)
        child.kill()
        # Ended, and not waited for: its entry is still there.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        ended = process_cpu_seconds(child.pid)
    # The kernel counts in hundredths, and may round each of the two parts down.
    assert running >= 0.48
    assert running <= ended < 60


def test_of_this_process_it_is_what_python_says() -> None:
    before = time.process_time()
    assert process_cpu_seconds(os.getpid()) == pytest.approx(before, abs=0.5)


def test_a_process_that_is_not_there_has_used_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert process_cpu_seconds(child.pid) == 0.0
