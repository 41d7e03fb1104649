"""What can be seen of a block, one file a signal."""

from adaptd.drift.signals.signal import Signal
from adaptd.drift.signals.table import answer_signals, input_signals, label_signals, output_signals

__all__ = ["Signal", "input_signals", "output_signals", "label_signals", "answer_signals"]
