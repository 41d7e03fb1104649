"""A continual architecture adaptation daemon."""

__version__ = "0.1.0"
