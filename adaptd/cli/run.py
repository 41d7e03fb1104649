"""`adaptd run`: the daemon."""

import errno
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from adaptd.cli.stopping import stop_on_signal
from adaptd.config import load
from adaptd.daemon import Daemon
from adaptd.errors import ConfigError
from adaptd.store.directory import StateDirectory
from adaptd.telemetry.logging import configure

app = typer.Typer(add_completion=False)


@app.command()
def run(
    config: Annotated[
        Path,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="YAML; configs/quickstart.yaml explains every key.",
        ),
    ],
) -> None:
    """Run the daemon until SIGTERM or SIGINT: observe every stream of the configuration, adapt
    its model when it drifts, and serve the operator page.

    Goes on where the state directory left off. Environment variables such as
    ADAPTD__SERVER__PORT=8081 stand above the file.
    """
    tree = load(config)
    configure(level=tree.log.level, format=tree.log.format)
    stop = Event()
    with stop_on_signal(stop):
        try:
            Daemon(tree, state=StateDirectory.open(tree.state_directory)).run(stop)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                raise
            raise ConfigError(
                f"{config}: metrics: cannot listen on {tree.metrics.host}:{tree.metrics.port}: "
                f"{error.strerror}; expected an address of this machine and a free port (0: any)"
            ) from error
