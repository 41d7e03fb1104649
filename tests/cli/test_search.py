"""`adaptd search` as it is typed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adaptd.cli.main import app
from adaptd.errors import ConfigError
from tests.searches import Given, write_given

SMALL = ("--budget", "steps=24", "--records", "120", "--minimum-records", "1")
# Three checkpoints, and time enough for a signal between the first and the end.
LONG = ("--budget", "steps=320", "--records", "120", "--minimum-records", "1")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return write_given(tmp_path_factory.mktemp("given"))


def _arguments(given: Given, out: Path, *more: str) -> list[str]:
    return [
        "search",
        "lag-shift",
        "--from",
        str(given.document),
        "--weights",
        str(given.weights),
        "--out",
        str(out),
        *more,
    ]


def _search(given: Given, out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, _arguments(given, out, *SMALL, *more))


def _adaptd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "adaptd", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["search"], "STREAM, --from, --out missing"),
        (["search", "lag-shift", "--out", "x"], "--from missing"),
        (["search", "lag-shift", "--from", "x", "--out", "y", "--shape", "3,a"], "--shape '3,a'"),
        (["search", "lag-shift", "--from", "x", "--out", "y", "--set", "w"], "--set 'w'"),
        (["search", "lag-shift", "--from", "x", "--out", "y", "--candidates", ","], "--candidates"),
        (
            [
                "search",
                "x",
                "--from",
                "x",
                "--out",
                "y",
                "--guard",
                "none",
                "--guard",
                "skip-limit",
            ],
            "--guard none stands alone",
        ),
        (
            ["search", "lag-shift", "--from", "x", "--out", "y", "--resume", "--force"],
            "--resume goes on, --force begins anew",
        ),
    ],
)
def test_wrong_usage_is_told_before_anything_is_read(
    runner: CliRunner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(app, arguments)
    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_methods_are_listed_as_a_table_and_as_json(runner: CliRunner) -> None:
    done = runner.invoke(app, ["search", "--list-methods"])
    assert done.exit_code == 0
    assert "successive halving" in done.output
    document = json.loads(runner.invoke(app, ["search", "--list-methods", "--json"]).output)
    assert "skip-limit" in document["guards"]
    assert set(document["methods"]) >= {"bounded", "race", "darts-1st", "random", "evolution"}


@pytest.mark.slow
def test_a_wrong_method_exits_2_with_all_there_are_and_leaves_no_directory(
    given: Given, tmp_path: Path
) -> None:
    done = _adaptd(*_arguments(given, tmp_path / "out", "--method", "drats"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("adaptd: --method 'drats': expected one of\n")
    assert "  race        successive halving" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_pipe_gets_lines_and_the_directory_everything(given: Given, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = _search(given, out, "--objective", "accuracy+macs:1.2x")
    assert done.exit_code == 0, done.output
    assert "searching, step 1 of 24" in done.output
    assert "folding and training, step 24 of 24" in done.output
    assert "accuracy on the latest 30 records" in done.output
    assert "\x1b[" not in done.output
    assert {each.name for each in out.iterdir()} == {
        "release",
        "search.json",
        "trace.json",
        "alphas.png",
        "architecture.svg",
        "architecture.dot",
    }
    assert (out / "alphas.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((out / "search.json").read_bytes())["caps"]["macs"] > 0

    _refuses_what_is_finished(given, out)


def _refuses_what_is_finished(given: Given, out: Path) -> None:
    same = ("--objective", "accuracy+macs:1.2x")
    before = (out / "search.json").read_bytes()
    again = _search(given, out, *same)
    assert isinstance(again.exception, ConfigError)
    assert "holds a finished search: --resume shows it again" in str(again.exception)
    other = _search(given, out, "--resume")
    assert isinstance(other.exception, ConfigError)
    assert "--objective is 'accuracy+macs:1.1x'" in str(other.exception)
    # A picture that a kill has left undrawn is drawn then.
    (out / "alphas.png").unlink()
    shown = _search(given, out, *same, "--resume", "--json")
    assert shown.exit_code == 0
    assert json.loads(shown.output) == json.loads(before)
    assert (out / "alphas.png").exists()
    assert (out / "search.json").read_bytes() == before


@pytest.mark.slow
def test_json_is_the_report_alone_and_force_begins_anew(given: Given, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = _search(given, out, "--json", "--method", "race")
    assert first.exit_code == 0, first.output
    report = json.loads(first.output)
    assert report == json.loads((out / "search.json").read_bytes())
    assert report["schema_version"] == 1
    assert report["method"] == "race"
    assert report["job"]["budget"] == "steps=24"
    second = _search(given, out, "--json", "--method", "race", "--seed", "1", "--force")
    assert json.loads(second.output)["seed"] == 1
    assert json.loads((out / "search.json").read_bytes())["seed"] == 1


@pytest.fixture(scope="module")
def uninterrupted(given: Given, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    done = _adaptd(*_arguments(given, out, *LONG))
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_a_search_that_is_interrupted_goes_on_to_the_same_weights(
    given: Given, uninterrupted: Path, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    interrupted = tmp_path / "interrupted"
    with subprocess.Popen(
        [sys.executable, "-m", "adaptd", *_arguments(given, interrupted, *LONG)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        checkpoint, deadline = interrupted / "checkpoint.safetensors", time.monotonic() + 200
        # The first is written after a hundred steps, of which a kill loses what follows.
        while not checkpoint.exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(sent)
        _, error = process.communicate(timeout=100)
    assert process.returncode == code, error
    assert checkpoint.exists()
    assert not (interrupted / "search.json").exists()
    if code > 0:
        assert "paused after step" in error
        assert "--resume" in error
    assert _adaptd(*_arguments(given, interrupted, *LONG)).returncode == 2
    resumed = _adaptd(*_arguments(given, interrupted, *LONG, "--resume"))
    assert resumed.returncode == 0, resumed.stderr
    assert "goes on after step" in resumed.stdout
    for name in ("weights.safetensors", "model.onnx"):
        assert (interrupted / "release" / name).read_bytes() == (
            uninterrupted / "release" / name
        ).read_bytes()


@pytest.mark.slow
def test_an_installation_can_be_checked(runner: CliRunner) -> None:
    done = runner.invoke(app, ["search", "--verify", "--json"])
    assert done.exit_code == 0, done.output
    checks = json.loads(done.output)["checks"]
    assert [check["holds"] for check in checks] == [True] * len(checks)
    assert {"pause and resume", "reach of the longest kernel"} <= {
        check["name"] for check in checks
    }
