"""The composition root: one process that observes every stream and asks workers to learn."""

from adaptd.daemon.daemon import Daemon

__all__ = ["Daemon"]
