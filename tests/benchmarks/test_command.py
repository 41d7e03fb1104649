"""`python -m benchmarks` as a user runs it."""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import run

import pytest
from typer.testing import CliRunner

from benchmarks.benchmark import Outcome, Settings
from benchmarks.command import app, main
from benchmarks.recorded import CHECKOUT, VARIABLE
from benchmarks.table import BENCHMARKS

NAME = "nas-bench-201"


def _main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_wrong_name_ends_with_2_and_lists_the_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(monkeypatch, "no-such") == 2
    said = capsys.readouterr().err
    for name in ("no-such", *BENCHMARKS):
        assert name in said


def test_missing_data_ends_with_2_and_names_the_folder_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(monkeypatch, NAME, "--smoke", "--data", str(tmp_path)) == 2
    assert f"the folder {tmp_path} to hold" in capsys.readouterr().err
    other = tmp_path / "other"
    monkeypatch.setenv(VARIABLE, str(other))
    assert _main(monkeypatch, NAME, "--smoke") == 2
    assert f"the folder {other} to hold" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_shows_writes_and_draws_what_it_measured(
    shared_directory: Path, tmp_path: Path
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    file, picture = tmp_path / "result.json", tmp_path / "result.png"
    options = {"--seeds": 2, "--data": shared_directory, "--json": file, "--picture": picture}
    ended = run(
        [sys.executable, "-m", "benchmarks", NAME, "--smoke"]
        + [str(part) for option in options.items() for part in option],
        cwd=CHECKOUT,
        env={**os.environ, "TERM": "dumb"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(file.read_text())
    assert result["seeds"] == [0, 1]
    assert result["scale"] == "smoke"
    assert before <= datetime.fromisoformat(result["date"]) <= datetime.now(UTC)
    assert result["run_cpu_seconds"] > 0
    assert {"commit", "machine", "gap_points", "evaluations"} <= set(result)
    assert "gap points" in ended.stdout
    assert f"{result['gap_points']['random']['cifar100']:.2f}" in ended.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


class _Spy:
    """A benchmark that keeps what it was given."""

    def __init__(self) -> None:
        self.settings: Settings | None = None

    def __call__(self, settings: Settings) -> Outcome:
        self.settings = settings
        return Outcome({"answer": 42}, draw=Path.touch)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> _Spy:
    spy = _Spy()
    monkeypatch.setattr("benchmarks.benchmark.Benchmark.load", lambda _: spy)
    return spy


@pytest.mark.parametrize(
    ("options", "scale", "seeds"),
    [
        ([], "full", (0, 1, 2, 3, 4)),
        (["--quick", "--first-seed", "100"], "quick", (100, 101, 102)),
        (["--smoke"], "smoke", (0,)),
        (["--smoke", "--seeds", "4"], "smoke", (0, 1, 2, 3)),
    ],
)
def test_the_benchmark_is_given_scale_seeds_and_data(
    spy: _Spy, tmp_path: Path, options: list[str], scale: str, seeds: tuple[int, ...]
) -> None:
    ended = CliRunner().invoke(app, [NAME, *options, "--data", str(tmp_path)])
    assert ended.exit_code == 0, ended.output
    assert spy.settings is not None
    assert (spy.settings.scale, spy.settings.seeds, spy.settings.data) == (scale, seeds, tmp_path)
    assert "42" in ended.stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--quick", "--smoke"],
        ["--seeds", "0"],
        ["--json", "no-such-folder/file.json"],
        ["--picture", "no-such-folder/file.png"],
    ],
)
def test_wrong_options_end_with_2_before_anything_is_measured(
    spy: _Spy, options: list[str]
) -> None:
    assert CliRunner().invoke(app, [NAME, *options]).exit_code == 2
    assert spy.settings is None
