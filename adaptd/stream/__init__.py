"""Where records come from and how they are kept: sources, batches, blocks, segments, the window."""

from adaptd.stream.batch import Batch
from adaptd.stream.blocks import Block, Blocks
from adaptd.stream.opening import open_source, schema_of
from adaptd.stream.pace import Paced
from adaptd.stream.reject import REASONS, Reason, Reject
from adaptd.stream.scenario import SCENARIOS, Scenario, generate
from adaptd.stream.schema import Schema
from adaptd.stream.segment import read_segment, write_segment
from adaptd.stream.source import Poll, Source
from adaptd.stream.timed import Timed
from adaptd.stream.window import Window

__all__ = [
    "Batch",
    "Block",
    "Blocks",
    "Poll",
    "Paced",
    "REASONS",
    "Reason",
    "Reject",
    "SCENARIOS",
    "Scenario",
    "Schema",
    "Source",
    "Timed",
    "Window",
    "generate",
    "open_source",
    "read_segment",
    "schema_of",
    "write_segment",
]
