"""`adaptd serve`: the server without the daemon."""

from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from adaptd.cli.stopping import stop_on_signal
from adaptd.config import load
from adaptd.server.process import serve as serve_until
from adaptd.telemetry.logging import configure

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    config: Annotated[
        Path,
        typer.Option("--config", "-c", metavar="FILE", help="The daemon's configuration file."),
    ],
) -> None:
    """Serve the API and the operator page until SIGTERM or SIGINT, without the daemon.

    `adaptd run` serves them too; use this one to look at its state while it is down, or beside a
    daemon whose configuration has `server: {enabled: false}`.
    """
    tree = load(config)
    configure(level=tree.log.level, format=tree.log.format)
    stop = Event()
    with stop_on_signal(stop):
        serve_until(tree, stop=stop)
