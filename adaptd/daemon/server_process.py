"""The server as a child process: it meets the daemon in the store only."""

import subprocess
import sys
from contextlib import suppress

import structlog

from adaptd.clock import Clock
from adaptd.config import Config

log = structlog.get_logger()

# It may take this long to close its connections; after it, it is killed.
STOP_SECONDS = 2.0

# A server that ends by itself is started again, but not in a tight loop.
RESTART_SECONDS = 5.0


class ServerProcess:
    """Starts `python -m adaptd.server`, hands it the configuration, and keeps it running.

    Its standard input stays open while this process lives: where it closes, the server ends.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config_json = config.model_dump_json()
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._start_at = float("-inf")

    def step(self) -> None:
        """Starts the server where none runs."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            log.warning("server.ended", code=self._process.returncode)
            self._release()
            self._start_at = self._clock.monotonic() + RESTART_SECONDS
        if self._clock.monotonic() < self._start_at:
            return
        try:
            self._start()
        except OSError as error:
            log.warning("server.not_started", error=str(error))
            self._start_at = self._clock.monotonic() + RESTART_SECONDS

    def close(self) -> None:
        """Ends the server."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._release()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "adaptd.server"], stdin=subprocess.PIPE
        )
        if self._process.stdin is not None:
            self._process.stdin.write(self._config_json.encode() + b"\n")
            self._process.stdin.flush()

    def _release(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):  # what it never read stays in the buffer
                self._process.stdin.close()
        self._process = None
