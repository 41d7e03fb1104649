import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from adaptd.adaptation.execution.usage import usage_of
from adaptd.adaptation.execution.watchdog import Watchdog

HANG_SECONDS = 60

# Holds a little, then more and more, or sits still.
GROWS = "import time\nheld = []\nwhile True: held.append(b'x' * 2**22); time.sleep(0.001)"
SITS = "import time\nheld = b'x' * 2**25\nprint('ready', flush=True)\ntime.sleep(600)"
COMPUTES = "sum(range(30_000_000))"


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    made = Watchdog()
    yield made
    made.close()


Spawner = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def spawn() -> Iterator[Spawner]:
    made: list[subprocess.Popen[str]] = []

    def start(code: str) -> "subprocess.Popen[str]":
        made.append(
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        )
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_process_that_grows_is_killed_soon_after_its_limit(
    watchdog: Watchdog, spawn: Spawner
) -> None:
    limit = 200 * 2**20
    process = spawn(GROWS)
    watched = watchdog.watch(process.pid, limit_bytes=limit)
    assert process.wait(HANG_SECONDS) == -9
    watchdog.forget(watched)
    assert watched.exceeded_bytes is not None
    assert watched.exceeded_bytes > limit
    assert watched.peak_bytes == watched.exceeded_bytes


def test_one_that_stays_below_lives_and_is_measured(watchdog: Watchdog, spawn: Spawner) -> None:
    process = spawn(SITS)
    watched = watchdog.watch(process.pid, limit_bytes=2**30)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    deadline = time.monotonic() + HANG_SECONDS
    while watched.peak_bytes < 2**25:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    watchdog.forget(watched)
    assert process.poll() is None
    assert watched.exceeded_bytes is None


def test_without_a_limit_nothing_is_killed(watchdog: Watchdog, spawn: Spawner) -> None:
    process = spawn(SITS)
    watched = watchdog.watch(process.pid, limit_bytes=None)
    deadline = time.monotonic() + HANG_SECONDS
    while not watched.peak_bytes:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    watchdog.forget(watched)
    assert process.poll() is None


def test_what_a_process_has_used_is_known_until_somebody_waits_for_it(spawn: Spawner) -> None:
    process = spawn(COMPUTES)
    deadline = time.monotonic() + HANG_SECONDS
    assert process.stdout is not None
    process.stdout.read()
    while (usage := usage_of(process.pid)) is None or usage.resident_bytes:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert usage.cpu_seconds > 0.1
    process.wait()
    assert usage_of(process.pid) is None
