"""The migrations as functions over a connection."""

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Brings the tables up to a revision, the newest unless one is named, inside the connection's
    transaction."""
    configuration = _configuration()
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, revision)


def revision_of(connection: Connection) -> str | None:
    """The revision the database is of; None if it has no tables yet."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def known_revisions() -> frozenset[str]:
    """Every revision this version of adaptd can upgrade from."""
    script = ScriptDirectory.from_config(_configuration())
    return frozenset(item.revision for item in script.walk_revisions())


@cache
def newest_revision() -> str:
    """The revision of the tables in `adaptd.store.tables`."""
    revision = ScriptDirectory.from_config(_configuration()).get_current_head()
    if revision is None:
        raise AssertionError("the package ships at least one migration")
    return revision


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", "adaptd.store:migrations")
    return configuration
