"""When a stream has changed: detectors on signals, and the monitor that turns them into alarms."""

from adaptd.drift.alarm import Alarm
from adaptd.drift.block import SignalBlock
from adaptd.drift.budget import AlarmBudget
from adaptd.drift.diagnosis import Diagnosis, diagnose
from adaptd.drift.loss import LOSS_LIMIT, LossDetector
from adaptd.drift.monitor import SIGNALS, Monitor, ScoredBlock
from adaptd.drift.signal_monitor import MonitorSettings, SignalMonitor

__all__ = [
    "Alarm",
    "Monitor",
    "ScoredBlock",
    "LossDetector",
    "LOSS_LIMIT",
    "SIGNALS",
    "SignalBlock",
    "SignalMonitor",
    "MonitorSettings",
    "AlarmBudget",
    "Diagnosis",
    "diagnose",
]
