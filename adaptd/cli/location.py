"""Which state directory a command means, and the store in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from adaptd.config import load
from adaptd.errors import NotFoundError
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="The daemon's configuration file."),
]
StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="The daemon's state directory, in place of -c."),
]


def state_directory(config: Path | None, state: Path | None) -> StateDirectory:
    """The directory that -c or --state names. Creates nothing.

    Raises typer.BadParameter unless exactly one is given; ConfigError for a wrong file.
    """
    if state is not None and config is None:
        return StateDirectory(state)
    if config is not None and state is None:
        return StateDirectory(load(config).state_directory)
    raise typer.BadParameter("give either -c FILE or --state DIR")


@contextmanager
def attached(directory: StateDirectory) -> Iterator[Database]:
    """The store that a daemon keeps there, whether it runs now or not. Raises NotFoundError."""
    if not directory.database.is_file():
        raise NotFoundError(
            f"no store at {directory.database}: `adaptd run` makes it at its first start; "
            f"is this the state directory of the daemon you mean?"
        )
    database = Database.attach(directory.database)
    try:
        yield database
    finally:
        database.close()
