"""`adaptd stream send`: which stream is meant."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from adaptd.cli.main import app
from adaptd.errors import ConfigError, SourceError

RECORD = {"shape": [1, 2], "classes": ["a", "b"]}
KAFKA = {"kind": "kafka", "bootstrap_servers": ["localhost:1"], "topic": "t"}


def configuration(directory: Path, *names: str) -> Path:
    streams = [{"name": name, "source": KAFKA, "record": RECORD} for name in names]
    streams.append({"name": "generated", "source": {"kind": "scenario"}})
    path = directory / "streams.yaml"
    path.write_text(yaml.safe_dump({"state_directory": "state", "streams": streams}))
    return path


@pytest.mark.parametrize(
    ("names", "asked"),
    [([], []), (["one", "two"], []), (["one"], ["--stream", "two"])],
    ids=["none", "several", "another"],
)
def test_a_stream_that_is_not_clear_is_asked_for(
    runner: CliRunner, tmp_path: Path, names: list[str], asked: list[str]
) -> None:
    path = configuration(tmp_path, *names)
    called = runner.invoke(app, ["stream", "send", "x.csv", "-c", str(path), *asked])
    assert isinstance(called.exception, ConfigError)
    assert f"are: {', '.join(names) or 'none'}" in str(called.exception)


def test_a_recording_that_is_none_is_named(runner: CliRunner, tmp_path: Path) -> None:
    path = configuration(tmp_path, "one")
    called = runner.invoke(app, ["stream", "send", str(tmp_path / "x.csv"), "-c", str(path)])
    assert isinstance(called.exception, SourceError)
    assert "x.csv" in str(called.exception)
