"""`PostgresServer`: a PostgreSQL database that holds the store, for processes on several hosts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError

from adaptd.errors import StateDirectoryError

# Of one database: who writes holds it to the end of its transaction. A number of our own.
_WRITE_LOCK = 0x61646170746462
# Who began a transaction and was stopped in it is thrown out of it, so that others can write.
_IDLE_SECONDS = 10

# Classes and codes of SQLSTATE for what may pass without us: connections that are lost or refused,
# transactions that others were in the way of, a server that is full, starting, ending or read-only.
_TRANSIENT_CLASSES = frozenset({"08", "40", "53", "57"})
_TRANSIENT = frozenset({"55P03", "25P03", "25P04", "58030"})
_READ_ONLY = "25006"
# A sign-in that is refused, a database that is not there.
_PERMANENT_CLASSES = frozenset({"28", "3D"})


@dataclass(frozen=True)
class PostgresServer:
    """url: `postgresql+psycopg://user@host:port/database`, without the password."""

    url: str
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return make_url(self.url).render_as_string(hide_password=True)

    def engine(self, busy_timeout_seconds: float) -> Engine:
        """Raises StateDirectoryError where the driver is not installed."""
        url = make_url(self.url)
        if self.password is not None:
            url = url.set(password=self.password)
        try:
            return create_engine(
                url,
                # A server that was restarted has closed what the pool still holds.
                pool_pre_ping=True,
                pool_timeout=busy_timeout_seconds,
                connect_args={
                    "connect_timeout": max(2, round(busy_timeout_seconds)),
                    "application_name": "adaptd",
                    "options": f"-c lock_timeout={round(busy_timeout_seconds * 1_000)} "
                    f"-c idle_in_transaction_session_timeout={_IDLE_SECONDS * 1_000} "
                    "-c timezone=UTC",
                    # A host that went away without a word is given up within half a minute.
                    "keepalives_idle": 10,
                    "keepalives_interval": 5,
                    "keepalives_count": 3,
                    "tcp_user_timeout": 20_000,
                },
            )
        except ModuleNotFoundError as error:
            raise StateDirectoryError(
                f"{self}: needs a driver that is not installed: install adaptd[postgres]"
            ) from error

    def options(self, *, is_write: bool) -> Mapping[str, Any]:
        """Of a connection, before its transaction begins."""
        if is_write:
            # Each statement sees what is committed by then; and nobody else commits meanwhile.
            return {"isolation_level": "READ COMMITTED", "postgresql_readonly": False}
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    def begin(self, connection: Connection, *, is_write: bool) -> None:
        """Waits until no other transaction writes, as SQLite does: what is read in one that writes
        cannot change before it commits."""
        if is_write:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=_WRITE_LOCK)
            )

    def check(self, connection: Connection) -> None:
        """PostgreSQL looks after its pages itself."""

    def is_transient(self, error: DatabaseError, *, is_write: bool) -> bool:
        """Whether trying again may help."""
        state = _state(error)
        if state is None:
            # No answer of the server's: it could not be reached, or went away. A value that the
            # client cannot send is neither.
            return isinstance(error, OperationalError | InterfaceError)
        if is_write and state == _READ_ONLY:
            return True
        return state in _TRANSIENT or state[:2] in _TRANSIENT_CLASSES

    def damage(self, error: DatabaseError) -> str | None:
        """What only a person can mend; None for another error."""
        state = _state(error)
        if state is not None and state[:2] in _PERMANENT_CLASSES:
            return f"{error.orig}; check store.url and store.password"
        return None

    def is_uncertain(self, error: DatabaseError) -> bool:
        """Whether a commit that failed so may have been made all the same."""
        state = _state(error)
        return state is None or state[:2] in ("08", "57")


def _state(error: DatabaseError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is None and "authentication failed" in str(error.orig):
        # At connection the driver tells it in words only.
        return "28P01"
    if state is None and 'database "' in str(error.orig) and "does not exist" in str(error.orig):
        return "3D000"
    return state
