"""The fixture `database` over both kinds of store."""

from collections.abc import Iterator

import pytest

from adaptd.store.database import Database
from adaptd.store.postgres import PostgresServer
from tests.postgres import Postgres


@pytest.fixture(scope="session")
def empty_postgres(postgres: Postgres) -> PostgresServer:
    """A database as the daemon makes it, to be copied."""
    server = postgres.make_database()
    Database.open(server).close()
    return server


@pytest.fixture
def postgres_database(postgres: Postgres, empty_postgres: PostgresServer) -> Iterator[Database]:
    """A store with its tables in PostgreSQL."""
    opened = Database.attach(postgres.copy_database(empty_postgres))
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest) -> Database:
    """A store with its tables: in a SQLite file, and where slow tests run, in PostgreSQL."""
    kind = "sqlite" if request.param == "sqlite" else "postgres"
    opened: Database = request.getfixturevalue(f"{kind}_database")
    return opened
