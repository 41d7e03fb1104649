"""`/metrics`, `/healthz` and `/readyz` of the daemon, served from a thread of their own."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import make_wsgi_app

from adaptd.clock import Clock
from adaptd.telemetry import Metrics

# A loop that has not come round for so long is stuck; Kubernetes then restarts the pod.
STUCK_SECONDS = 60.0


class Health:
    """What the loop says of itself. Safe to read from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._beat = clock.monotonic()
        self._obstacles: dict[str, str] = {"daemon": "starting"}
        self._notes: dict[str, str] = {}

    def beat(self) -> None:
        """The loop has come round."""
        self._beat = self._clock.monotonic()

    def obstruct(self, part: str, reason: str) -> None:
        """The part cannot do its work now, for this reason."""
        self._obstacles[part] = reason

    def clear(self, part: str) -> None:
        """The part works (again)."""
        self._obstacles.pop(part, None)

    def note(self, part: str, text: str | None) -> None:
        """What else there is to say of a part that is ready; None for nothing."""
        if text is None:
            self._notes.pop(part, None)
        else:
            self._notes[part] = text

    @property
    def is_alive(self) -> bool:
        return self._clock.monotonic() - self._beat < STUCK_SECONDS

    @property
    def obstacles(self) -> dict[str, str]:
        """Part -> reason; empty when ready."""
        return dict(self._obstacles)

    @property
    def notes(self) -> dict[str, str]:
        """Part -> what else there is to say."""
        return dict(self._notes)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Probes come every few seconds; a line for each would drown the log."""


class HealthServer:
    """Listens from construction on; `port` is the one it got. Raises OSError if the address is
    taken."""

    def __init__(self, health: Health, metrics: Metrics, *, host: str, port: int) -> None:
        self._health = health
        self._metrics_app = make_wsgi_app(metrics.registry)
        self._server = make_server(
            host, port, self._answer, server_class=_Server, handler_class=_Quiet
        )
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        answers: dict[str, Callable[[], tuple[str, str]]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
        }
        path = environment.get("PATH_INFO", "")
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics_app(environment, start)
            return answer
        status, text = answers[path]() if path in answers else ("404 Not Found", "no such page\n")
        start(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [text.encode()]

    def _healthz(self) -> tuple[str, str]:
        if self._health.is_alive:
            return "200 OK", "alive\n"
        return "503 Service Unavailable", f"the loop has not come round for {STUCK_SECONDS:.0f} s\n"

    def _readyz(self) -> tuple[str, str]:
        obstacles = self._health.obstacles
        if not obstacles:
            notes = [f"{part}: {text}\n" for part, text in sorted(self._health.notes.items())]
            return "200 OK", "".join(["ready\n", *notes])
        lines = [f"{part}: {reason}\n" for part, reason in sorted(obstacles.items())]
        return "503 Service Unavailable", "".join(lines)
