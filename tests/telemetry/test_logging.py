import json

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
