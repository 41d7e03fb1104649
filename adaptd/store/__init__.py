"""What must survive a restart: one state directory, one database, one transaction."""

from adaptd.store.database import Database
from adaptd.store.directory import DaemonLock, StateDirectory

__all__ = ["Database", "DaemonLock", "StateDirectory"]
