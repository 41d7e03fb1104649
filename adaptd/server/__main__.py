"""`python -m adaptd.server`: takes its configuration as one line of JSON on standard input.

The input stays open for as long as the process is wanted: it ends where the input does.
"""

import os
import sys
import threading

import structlog

from adaptd.errors import PermanentError
from adaptd.server.process import run_until

CHUNK_BYTES = 65_536

log = structlog.get_logger()


def main() -> int:
    """Returns the exit code: 2 where the server cannot run as configured; the log says why."""
    # Unbuffered: a thread that waits in a buffered reader would hold its lock at the end.
    line = b""
    while b"\n" not in line:
        chunk = os.read(0, CHUNK_BYTES)
        if not chunk:
            break
        line += chunk
    stop = threading.Event()
    threading.Thread(target=_set_at_end_of_input, args=(stop,), daemon=True).start()
    try:
        run_until(line.decode(), stop)
    except PermanentError as error:
        log.error("server.failed", error=str(error))
        return 2
    return 0


def _set_at_end_of_input(stop: threading.Event) -> None:
    while os.read(0, CHUNK_BYTES):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
