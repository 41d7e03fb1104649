"""`adaptd restore`: a backup in the place of a state directory."""

import json
from pathlib import Path
from typing import Annotated

import typer

from adaptd.cli.location import ConfigOption, StateOption, sqlite_only, state_directory
from adaptd.clock import SystemClock
from adaptd.store.backup import read_backup
from adaptd.store.backup import restore as put_back

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    backup: Annotated[
        Path, typer.Argument(metavar="BACKUP", help="Directory that `adaptd backup` has made.")
    ],
    config: ConfigOption = None,
    state: StateOption = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Put a backup in the place of a state directory. Stop its daemon first.

    Every file of the backup is checked. What is there now is moved beside it, not removed. Records
    since the backup are read and counted again; decisions and releases since then are gone.
    """
    sqlite_only(config, instead="use pg_restore, and copy the state directory back")
    directory = state_directory(config, state).path
    now = SystemClock().now()
    found = read_backup(backup)
    aside = put_back(found, directory, now=now)
    if is_json:
        document = {
            "state_directory": str(directory),
            "made_at": found.made_at.isoformat(),
            "moved_to": None if aside is None else str(aside),
        }
        typer.echo(json.dumps(document))
        return
    typer.echo(f"{directory} is as it was at {found.made_at:%Y-%m-%d %H:%M:%S} UTC")
    if aside is not None:
        typer.echo(f"what was there lies in {aside}")
