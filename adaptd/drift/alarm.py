"""`Alarm`: a change that was seen."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Alarm:
    """One detector's word that its signal has changed.

    signal: its name. record: number of the last record seen when it was raised.
    since_record: number of the first record after the estimated change, at most `record`.
    statistic: of a detector of means, how far the mean has moved at that point, in the signal's
    unit (loss: nats); of a `Watch`, its log evidence.
    """

    signal: str
    record: int
    since_record: int
    statistic: float
