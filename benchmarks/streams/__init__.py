"""Streams that shift in a known way, for benchmarks of what follows a drift."""

from benchmarks.streams.shift import Records, Samples, Shift, Stream, load
from benchmarks.streams.table import STREAMS

__all__ = ["STREAMS", "Shift", "Stream", "Records", "Samples", "load"]
