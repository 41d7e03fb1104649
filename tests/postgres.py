"""A real PostgreSQL server for tests, where its programs are on the machine."""

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from adaptd.store.postgres import PostgresServer
from benchmarks.broker import free_ports

# Hang limit: it starts in 2 s on an idle machine; after a kill it syncs all files first.
PATIENCE_SECONDS = 150.0
PASSWORD = "wonderland-7"
# Who may not be root.
_USER = "postgres"


@dataclass
class Postgres:
    """A server that is started and ended by tests. url: of its database `postgres`."""

    programs: Path
    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://adaptd@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        ready = [str(self.programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            assert time.monotonic() < deadline, (self.directory / "log").read_text()[-2_000:]
            # After a kill it gives up while what served the old one's clients has not ended.
            if self.process is None or self.process.poll() is not None:
                self._launch()
            time.sleep(0.1)

    def _launch(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *_as_user(),
                    str(self.programs / "postgres"),
                    *("-D", str(self.directory / "data")),
                    *("-c", f"port={self.port}"),
                    *("-c", "listen_addresses=127.0.0.1"),
                    *("-c", f"unix_socket_directories={self.directory}"),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
            )

    def kill(self) -> None:
        """Ends it without a word to anybody."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def make_database(self) -> PostgresServer:
        """An empty database of its own."""
        name = f"t{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        url = make_url(self.url).set(database=name).render_as_string()
        return PostgresServer(url, PASSWORD)

    def copy_database(self, template: PostgresServer) -> PostgresServer:
        """Another one with the same content; nobody may be connected to the first."""
        name, url = f"t{uuid.uuid4().hex}", make_url(template.url)
        self.execute(f"CREATE DATABASE {name} TEMPLATE {url.database}")
        return PostgresServer(url.set(database=name).render_as_string(), PASSWORD)

    def execute(self, statement: str) -> list[Any]:
        """As the server's owner, outside of a transaction; the rows, if any."""
        engine = create_engine(
            make_url(self.url).set(password=PASSWORD), isolation_level="AUTOCOMMIT"
        )
        try:
            with engine.connect() as connection:
                result = connection.execute(text(statement))
                return list(result) if result.returns_rows else []
        finally:
            engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole session; a test takes databases of its own."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server here: Debian's package is postgresql")
    # Not below pytest's folders: the server's user could not enter them.
    directory = Path(tempfile.mkdtemp(prefix="adaptd-postgres-"))
    try:
        if os.getuid() == 0:
            shutil.chown(directory, _USER)
        secret = directory / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [
                *_as_user(),
                str(programs / "initdb"),
                *("-D", str(directory / "data")),
                *("--username", "adaptd", "--auth", "scram-sha-256", f"--pwfile={secret}"),
                *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd="/",
        )
        (port,) = free_ports(1)
        server = Postgres(programs, directory, port)
        (directory / "log").touch()
        server.start()
        yield server
        server.kill()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    # Debian keeps every version's in a folder of its own.
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


def _as_user() -> list[str]:
    """The server refuses to be root."""
    return ["setpriv", "--reuid", _USER, "--regid", _USER, "--clear-groups"] * (os.getuid() == 0)
