"""The command line as a whole: help, version, and how errors end."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adaptd import __version__
from adaptd.cli.lazy import COMMANDS
from adaptd.cli.main import app, main
from adaptd.errors import NotFoundError


def _adaptd(*arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-m", "adaptd", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command_and_imports_no_heavy_library() -> None:
    done = _adaptd("--help", options=("-X", "importtime"))
    assert done.returncode == 0
    for name in COMMANDS:
        assert name in done.stdout
    assert "adaptd proposals approve ID" in done.stdout
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    heavy = {"torch", "onnxruntime", "river", "matplotlib", "sqlalchemy", "numpy"}
    assert "typer" in imported
    assert not heavy & imported


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(runner: CliRunner, name: str) -> None:
    done = runner.invoke(app, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert f" {name} [OPTIONS]" in done.output
    assert "completion" not in done.output


def test_a_mistyped_command_is_corrected(runner: CliRunner) -> None:
    done = runner.invoke(app, ["proposal"])
    assert done.exit_code == 2
    assert "Did you mean 'proposals'?" in done.output


def test_version(runner: CliRunner) -> None:
    done = runner.invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"adaptd {__version__}\n")


@pytest.mark.parametrize(
    "command",
    [("proposals", "list"), pytest.param(("run",), marks=pytest.mark.slow)],
    ids=" ".join,
)
def test_a_wrong_configuration_exits_2_and_names_file_key_and_value(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(
        f"state_directory: {tmp_path / 'state'}\n"
        "streams: [{name: a, source: {kind: scenario}}]\nserver: {port: 99999}\n"
    )
    done = _adaptd(*command, "-c", str(path))
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert str(path) in line
    assert "server.port" in line
    assert "99999" in line
    assert not (tmp_path / "state").exists()


def test_any_other_error_of_ours_exits_1_with_its_text_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["adaptd", "proposals", "list", "--state", str(tmp_path)])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith(f"adaptd: no store at {tmp_path / 'adaptd.db'}")
    assert error.count("\n") == 1


def test_errors_reach_main_whole(runner: CliRunner, tmp_path: Path) -> None:
    done = runner.invoke(app, ["proposals", "list", "--state", str(tmp_path)])
    assert isinstance(done.exception, NotFoundError)
