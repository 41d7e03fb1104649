"""When a stream has changed: detectors on signals, and the monitor that turns them into alarms."""

from adaptd.drift.alarm import Alarm
from adaptd.drift.loss import LOSS_LIMIT, LossDetector
from adaptd.drift.monitor import SIGNALS, Monitor, ScoredBlock

__all__ = ["Alarm", "Monitor", "ScoredBlock", "LossDetector", "LOSS_LIMIT", "SIGNALS"]
