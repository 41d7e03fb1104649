"""`adaptd repair`: drops damaged files from a window."""

import json
from typing import Annotated

import typer

from adaptd.cli.location import ConfigOption, StateOption, attached, place_in, state_directory
from adaptd.daemon.repair import repair as drop_damaged

app = typer.Typer(add_completion=False)


@app.command()
def repair(
    config: ConfigOption = None,
    state: StateOption = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Drop damaged files, and all records before them, from the windows of a state directory.

    Stop its daemon first. For files that no backup has: a file of a window that is copied from a
    backup loses nothing. The records stay counted; only training can no longer use them. A
    damaged database is not repaired: `adaptd restore` puts a backup in its place.
    """
    directory = state_directory(config, state)
    with attached(place_in(config, state)) as database:
        dropped = drop_damaged(directory, database)
    if is_json:
        documents = [
            {
                "stream": one.stream,
                "records": one.records,
                "damaged": [str(path) for path in one.damaged],
            }
            for one in dropped
        ]
        typer.echo(json.dumps(documents))
        return
    for one in dropped:
        typer.echo(f"{one.stream}: {one.records} records dropped from the window; damaged:")
        for path in one.damaged:
            typer.echo(f"  {path}")
    if not dropped:
        typer.echo("no file of a window is damaged")
