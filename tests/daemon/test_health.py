import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from adaptd.clock import FakeClock
from adaptd.daemon.health import STUCK_SECONDS, Health, HealthServer
from adaptd.telemetry import Metrics


@pytest.fixture
def health(clock: FakeClock) -> Health:
    return Health(clock)


@pytest.fixture
def server(health: Health) -> Iterator[HealthServer]:
    metrics = Metrics()
    metrics.prepare("s", signals=("loss",), reasons=("unreadable",), outcomes=("released",))
    opened = HealthServer(health, metrics, host="127.0.0.1", port=0)
    yield opened
    opened.close()


def fetch(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_ready_once_nothing_is_in_the_way(server: HealthServer, health: Health) -> None:
    assert fetch(server, "/readyz") == (503, "daemon: starting\n")
    health.clear("daemon")
    assert fetch(server, "/readyz") == (200, "ready\n")
    health.obstruct("sensors", "broker unreachable")
    assert fetch(server, "/readyz") == (503, "sensors: broker unreachable\n")


def test_alive_as_long_as_the_loop_comes_round(
    server: HealthServer, health: Health, clock: FakeClock
) -> None:
    assert fetch(server, "/healthz")[0] == 200
    clock.advance(STUCK_SECONDS)
    assert fetch(server, "/healthz")[0] == 503
    health.beat()
    assert fetch(server, "/healthz")[0] == 200


def test_metrics_show_every_series_from_the_start(server: HealthServer) -> None:
    status, text = fetch(server, "/metrics")
    assert status == 200
    assert 'adaptd_alarms_total{signal="loss",stream="s"} 0.0' in text
    assert 'adaptd_rejected_records_total{reason="unreadable",stream="s"} 0.0' in text
    assert 'adaptd_drift_active{stream="s"} 0.0' in text


def test_unknown_page_is_not_found(server: HealthServer) -> None:
    assert fetch(server, "/else")[0] == 404


def test_one_that_stands_by_is_ready_and_says_so(server: HealthServer, health: Health) -> None:
    health.clear("daemon")
    health.note("sensors", "standby, owner is b:1")
    assert fetch(server, "/readyz") == (200, "ready\nsensors: standby, owner is b:1\n")
    health.note("sensors", None)
    assert fetch(server, "/readyz") == (200, "ready\n")
