"""`adaptd backup` and `adaptd restore` as an operator calls them."""

import json
from pathlib import Path

from typer.testing import CliRunner

from adaptd.cli.main import app
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory


def test_a_state_goes_to_a_backup_and_back(
    runner: CliRunner, state: StateDirectory, store: Database, tmp_path: Path
) -> None:
    out = tmp_path / "backup"
    options = ["--state", str(state.path)]
    made = runner.invoke(app, ["backup", "--out", str(out), *options])
    assert made.exit_code == 0
    assert "files, " in made.stdout
    store.close()
    state.database.write_bytes(b"no database any more")
    back = runner.invoke(app, ["restore", str(out), *options, "--json"])
    assert back.exit_code == 0
    told = json.loads(back.stdout)
    assert told["state_directory"] == str(state.path)
    assert (Path(told["moved_to"]) / "adaptd.db").read_bytes() == b"no database any more"
    Database.attach(state.database).close()
    again = runner.invoke(app, ["restore", str(out), *options])
    assert again.stdout.startswith(f"{state.path} is as it was at ")


def test_which_state_directory_has_to_be_said(runner: CliRunner, tmp_path: Path) -> None:
    assert runner.invoke(app, ["backup", "--out", str(tmp_path / "x")]).exit_code == 2
