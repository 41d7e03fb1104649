"""What the daemon says of itself: structured log events and Prometheus metrics."""

from adaptd.telemetry.logging import configure
from adaptd.telemetry.metrics import Metrics

__all__ = ["Metrics", "configure"]
