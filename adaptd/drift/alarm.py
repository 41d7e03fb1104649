"""`Alarm`: a change that was seen."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Alarm:
    """One detector's word that its signal has changed.

    signal: one of `SIGNALS`. record: number of the last record seen when it was raised.
    since_record: number of the first record after the estimated change, at most `record`.
    statistic: how far the signal's mean has moved at that point, in the signal's unit (loss: nats).
    """

    signal: str
    record: int
    since_record: int
    statistic: float
