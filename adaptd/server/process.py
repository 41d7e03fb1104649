"""The server as a process: from a configuration to a listening socket, until it is told to stop."""

import asyncio
import errno
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from adaptd.clock import Clock, SystemClock
from adaptd.config import Config
from adaptd.errors import ConfigError, NotFoundError, StoreUnavailable
from adaptd.server.app import create_app
from adaptd.server.changes import Changes
from adaptd.store.database import Database, Place
from adaptd.store.directory import StateDirectory
from adaptd.store.files import write_atomically
from adaptd.store.place import place_of
from adaptd.telemetry.logging import configure

# Where the server writes its address, inside the state directory.
ADDRESS_FILE = "server.json"
SCHEMA_VERSION = 1

# A server of a daemon that was just killed needs a moment to let go of the port.
BIND_SECONDS = 5.0

# Between two looks for the port, or for the database of a daemon that is not up yet.
RETRY_SECONDS = 0.25

# Between two looks at `stop`.
STOP_CHECK_SECONDS = 0.05

# Answers under way get so long at the end.
GRACE_SECONDS = 1

SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()


def run_until(config_json: str, stop: threading.Event) -> None:
    """The whole process: logs, signals, and serving until SIGTERM, SIGINT or `stop`.

    Raises as `serve` does.
    """
    config = Config.model_validate_json(config_json)
    configure(level=config.log.level, format=config.log.format)

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in SIGNALS:
        signal.signal(number, handle)
    serve(config, stop=stop)


def serve(config: Config, *, stop: threading.Event, clock: Clock | None = None) -> None:
    """Serves the API and the pages on `config.server` until `stop` is set; then ends within 2 s.

    Waits for the database of a daemon that is not up yet. Port 0 takes a free one. Where it listens
    stands in the event `server.listening` and, while it listens, in `server.json` of the state
    directory. Installs no signal handlers.
    Raises ConfigError if it cannot listen there; StateDirectoryError if the database is of another
    version of adaptd.
    """
    clock = clock or SystemClock()
    state = StateDirectory(config.state_directory)
    database = _attached(place_of(config.store, state), stop=stop)
    if database is None:
        return
    with closing(database):
        listener = _listener(config.server.host, config.server.port, stop=stop, clock=clock)
        if listener is None:
            return
        url = _url(listener)
        app = create_app(database=database, state=state, clock=clock)
        server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        with closing(listener), _announced(url, state.path) as announce:
            asyncio.run(_serve(server, listener, app.state.changes, stop=stop, announce=announce))
    log.info("server.stopped", url=url)


class _Server(uvicorn.Server):
    """Leaves signals to whoever owns the process: uvicorn would raise them anew at its end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    server: uvicorn.Server,
    listener: socket.socket,
    changes: Changes,
    *,
    stop: threading.Event,
    announce: Callable[[], None],
) -> None:
    serving = asyncio.create_task(server.serve([listener]))
    is_announced = False
    while not serving.done() and not stop.is_set():
        if server.started and not is_announced:
            announce()
            is_announced = True
        await asyncio.sleep(STOP_CHECK_SECONDS)
    changes.close()
    server.should_exit = True
    await serving


def _listener(host: str, port: int, *, stop: threading.Event, clock: Clock) -> socket.socket | None:
    """A listening socket; None if `stop` came before the port was free."""
    deadline, is_said = clock.monotonic() + BIND_SECONDS, False
    while not stop.is_set():
        try:
            return _listen(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or clock.monotonic() >= deadline:
                raise ConfigError(
                    f"server: cannot listen on {host}:{port}: {error.strerror}; "
                    "expected a free port in server.port (0: any)"
                ) from error
        if not is_said:
            log.warning("server.port_in_use", host=host, port=port)
            is_said = True
        stop.wait(RETRY_SECONDS)
    return None


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Two sockets may be bound to one port, but only one listens.
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def _attached(place: Place, *, stop: threading.Event) -> Database | None:
    """The daemon's database, once it is there and has its tables; None if `stop` came before."""
    is_said = False
    while not stop.is_set():
        try:
            return Database.attach(place)
        except (NotFoundError, StoreUnavailable) as error:
            if not is_said:
                log.info(
                    "server.waiting",
                    database=str(place),
                    reason=str(error),
                    hint="`adaptd run` on this state directory makes it",
                )
                is_said = True
        stop.wait(RETRY_SECONDS)
    return None


@contextmanager
def _announced(url: str, directory: Path) -> Iterator[Callable[[], None]]:
    """Gives a function that says where the server listens; what it wrote is removed at the end."""
    path = directory / ADDRESS_FILE
    address = {"schema_version": SCHEMA_VERSION, "url": url, "pid": os.getpid()}
    document = json.dumps(address).encode() + b"\n"

    def announce() -> None:
        write_atomically(path, document)
        log.info("server.listening", url=url)

    try:
        yield announce
    finally:
        # Another server may have written its own since.
        if path.exists() and path.read_bytes() == document:
            path.unlink()


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
