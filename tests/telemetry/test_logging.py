import io
import json
import subprocess
import sys

import pytest
import structlog

from adaptd.telemetry import configure


def test_json_events_go_to_standard_error_with_level_and_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(level="warning", format="json")
    log = structlog.get_logger()
    log.info("quiet")
    log.warning("drift.alarm", stream="s", record=7)
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["record"]) == ("drift.alarm", "warning", 7)
    assert event["timestamp"].endswith("Z")
    structlog.reset_defaults()


def test_a_line_goes_to_the_standard_error_of_its_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    configure(format="json")
    log = structlog.get_logger()
    log.info("one")
    monkeypatch.setattr(sys, "stderr", second)
    first.close()
    log.info("two")
    assert json.loads(second.getvalue())["event"] == "two"
    structlog.reset_defaults()


def logged_by_a_library(format: str) -> str:
    """What one that warns of an error puts on standard error."""
    script = f"""
import logging
from adaptd.telemetry import configure

configure(format={format!r})
log = logging.getLogger("kafka.net")
log.info("quiet")
try:
    raise ConnectionResetError("reset by peer")
except OSError:
    log.exception("cannot read %s", "a socket")
"""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def test_what_a_library_logs_is_one_line_without_a_traceback() -> None:
    told = "kafka.net: cannot read a socket: ConnectionResetError: reset by peer\n"
    assert logged_by_a_library("console") == told


def test_what_a_library_logs_is_json_where_all_else_is() -> None:
    (line,) = logged_by_a_library("json").splitlines()
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "logger": "kafka.net",
        "event": "cannot read a socket: ConnectionResetError: reset by peer",
        "level": "error",
    }
