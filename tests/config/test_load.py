from pathlib import Path

import pytest

from adaptd.config import load
from adaptd.errors import ConfigError

MINIMAL = """
state_directory: state
streams:
  - name: sensors
    source: {kind: scenario}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_minimal_file_takes_every_default(tmp_path: Path) -> None:
    config = load(written(tmp_path, MINIMAL), {})
    assert config.streams[0].source.kind == "scenario"
    assert config.streams[0].approval.policy == "operator"
    assert config.server.host == "127.0.0.1"


def test_environment_takes_the_place_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    config = load(
        path,
        {
            "ADAPTD__SERVER__PORT": "8081",
            "ADAPTD__STREAMS__0__NAME": "other",
            "ADAPTD__STREAMS__0__EPISODE__STEPS": "50",
            "UNRELATED": "x",
        },
    )
    assert config.server.port == 8081
    assert config.streams[0].name == "other"
    assert config.streams[0].episode.steps == 50


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (MINIMAL + "colour: red\n", ["colour", "no such key", "red"]),
        (MINIMAL + "seed: -1\n", ["seed", "greater than or equal to 0", "-1"]),
        (MINIMAL.replace("kind: scenario", "kind: pigeon"), ["streams.0.source", "pigeon"]),
        (MINIMAL.replace("sensors", "Sensors!"), ["streams.0.name", "Sensors!"]),
        (
            MINIMAL.replace("{kind: scenario}", "{kind: scenario, drift_at: soon}"),
            ["streams.0.source.drift_at", "soon"],
        ),
        (
            MINIMAL.replace("{kind: scenario}", "{kind: replay, path: x.parquet}"),
            ["streams.0", "record", "replay"],
        ),
        (MINIMAL + "server: {host: 0.0.0.0}\n", ["server.host", "loopback", "0.0.0.0"]),
        ("state_directory: state\nstreams: []\n", ["streams", "at least 1"]),
        ("state_directory: state\n", ["streams", "required"]),
        (
            MINIMAL + "    schedule: {cron: every day}\n",
            ["streams.0.schedule", "crontab", "every day"],
        ),
        ("- 1\n", ["top level"]),
        ("a: [1\n", ["not valid YAML"]),
        (MINIMAL + MINIMAL.split("streams:")[1], ["streams", "differ"]),
    ],
)
def test_error_names_file_key_value_and_what_was_expected(
    tmp_path: Path, text: str, named: list[str]
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    message = str(caught.value)
    assert message.startswith(str(path))
    for part in named:
        assert part in message


def test_every_error_has_its_own_line(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL + "seed: x\ncolour: red\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert len(str(caught.value).splitlines()) == 2


def test_an_error_in_a_stream_does_not_claim_that_there_are_none(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL.replace("sensors", "Sensors!"))
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert len(str(caught.value).splitlines()) == 1


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load(tmp_path / "absent.yaml", {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADAPTD__STREAMS__7__NAME", "x"),
        ("ADAPTD__STREAMS__FIRST__NAME", "x"),
        ("ADAPTD__STATE_DIRECTORY__X", "x"),
        ("ADAPTD__SEED", "[1"),
    ],
)
def test_environment_that_leads_nowhere_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load(written(tmp_path, MINIMAL), {name: value})
