"""How well alarms fit drifts that are known."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Detection:
    """What a detector did over a stream with known drifts; records throughout.

    delays: from each drift to its first alarm, None where it was missed. false_alarms: those before
    the first drift, and those after a drift's first alarm. watched: records that could raise one.
    """

    delays: tuple[int | None, ...]
    false_alarms: int
    watched: int

    @property
    def missed(self) -> int:
        return self.delays.count(None)

    @property
    def missed_detection_rate(self) -> float | None:
        """MDR, 0 to 1; None without drifts."""
        return self.missed / len(self.delays) if self.delays else None

    @property
    def mean_time_to_detection(self) -> float | None:
        """MTD, over the drifts that were found; None if none was."""
        found = [delay for delay in self.delays if delay is not None]
        return sum(found) / len(found) if found else None

    @property
    def mean_time_between_false_alarms(self) -> float | None:
        """MTFA; None without a false alarm: then it is longer than what was watched."""
        return self.watched / self.false_alarms if self.false_alarms else None

    @property
    def mean_time_ratio(self) -> float | None:
        """MTR = MTFA / MTD x (1 - MDR), the higher the better; 0 for a detector that found nothing.

        Without a false alarm MTFA counts as all that was watched. None without drifts.
        Source: Bifet 2017, "Classifier concept drift detection and the illusion of progress".
        """
        rate, delay = self.missed_detection_rate, self.mean_time_to_detection
        if rate is None:
            return None
        if delay is None:
            return 0.0
        between = self.mean_time_between_false_alarms or float(self.watched)
        return between / max(delay, 1.0) * (1 - rate)

    def to_document(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **asdict(self),
            "delays": list(self.delays),
            "missed": self.missed,
            "mtfa": self.mean_time_between_false_alarms,
            "mtd": self.mean_time_to_detection,
            "mdr": self.missed_detection_rate,
            "mtr": self.mean_time_ratio,
        }


def detection(
    alarms: Sequence[int], drifts: Sequence[int], *, first: int, end: int, within: int | None = None
) -> Detection:
    """Alarms, by the record that raised each, against drifts, by the first record of each.

    first, end: what was watched, [first, end). within: records after a drift in which an alarm is
    its detection; None: until the next drift. Drifts outside of what was watched do not count.
    """
    known = sorted(drift for drift in drifts if first <= drift < end)
    raised = sorted(alarms)
    delays: list[int | None] = []
    detections = 0
    for place, drift in enumerate(known):
        until = known[place + 1] if place + 1 < len(known) else end
        limit = min(until, drift + within) if within is not None else until
        found = next((alarm for alarm in raised if drift <= alarm < limit), None)
        # The record that raised the alarm had to be seen as well.
        delays.append(None if found is None else found - drift + 1)
        detections += found is not None
    return Detection(tuple(delays), len(raised) - detections, end - first)


def always(*, first: int, end: int, block_records: int) -> list[int]:
    """The alarms of a detector that raises one after every block: no delay, and no worth."""
    return list(range(first + block_records - 1, end, block_records))


def never() -> list[int]:
    """Those of one that is never wrong, having said nothing."""
    return []


def is_worth(found: Detection, baselines: Sequence[Detection]) -> bool:
    """Whether its MTR beats that of every baseline; False without drifts."""
    own = found.mean_time_ratio
    others = [other.mean_time_ratio for other in baselines]
    return own is not None and all(own > (other or 0.0) for other in others) and math.isfinite(own)
