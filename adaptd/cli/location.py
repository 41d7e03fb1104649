"""Which state directory a command means, and the store in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from adaptd.config import StoreConfig, load
from adaptd.errors import ConfigError, NotFoundError
from adaptd.store.database import Database, Place
from adaptd.store.directory import StateDirectory
from adaptd.store.place import place_of
from adaptd.store.sqlite import SqliteFile

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


def place_in(config: Path | None, state: Path | None) -> Place:
    """The store that -c names, or a file in --state. Raises as `state_directory` does."""
    directory = state_directory(config, state)
    return place_of(StoreConfig() if config is None else load(config).store, directory)


def sqlite_only(config: Path | None, *, instead: str) -> None:
    """Raises ConfigError where -c names a store that no file of the state directory holds."""
    if config is not None and load(config).store.url is not None:
        raise ConfigError(f"{config}: store.url: only for a store in SQLite; {instead}")


@contextmanager
def attached(place: Place) -> Iterator[Database]:
    """The store that a daemon keeps there, whether it runs now or not. Raises NotFoundError."""
    if isinstance(place, SqliteFile) and not place.path.is_file():
        raise NotFoundError(
            f"no store at {place}: `adaptd run` makes it at its first start; "
            f"is this the state directory of the daemon you mean?"
        )
    database = Database.attach(place)
    try:
        yield database
    finally:
        database.close()
