"""`adaptd backup`: a copy of a state directory, while its daemon runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from adaptd.cli.location import ConfigOption, StateOption, sqlite_only, state_directory
from adaptd.clock import SystemClock
from adaptd.store.backup import back_up

app = typer.Typer(add_completion=False)


@app.command()
def backup(
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", file_okay=False, help="Where it goes; must not be there yet."
        ),
    ],
    config: ConfigOption = None,
    state: StateOption = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Copy a daemon's state directory, which may run meanwhile, to another place.

    The copy holds everything: positions, window, releases, decisions. Keep it on another disk.
    `adaptd restore` puts it back.
    """
    sqlite_only(config, instead="use pg_dump, and then copy the state directory")
    made = back_up(state_directory(config, state), out, now=SystemClock().now())
    if is_json:
        document = {"path": str(out), "files": len(made.files), "bytes": made.size_bytes}
        typer.echo(json.dumps(document))
    else:
        typer.echo(f"{out}: {len(made.files)} files, {made.size_bytes / 1e6:.1f} MB")
