"""A daemon on a stream that comes as fast as it is worked off, for benchmarks of whole episodes."""

from benchmarks.live.run import Live, Watched, run

__all__ = ["Live", "Watched", "run"]
