"""River's detectors on errors, by name: overall and of each class."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, EDDM, FHDDM, HDDMA, HDDMW

from adaptd.drift.alarm import Alarm
from adaptd.drift.block import SignalBlock
from adaptd.drift.loss import rise_in

# Records a detector is fed again after a restore; half of them stay when they are reached.
MEMORY_RECORDS = 4_096


@dataclass(frozen=True)
class RiverKind:
    """make: from a seed and options. is_of_hits: whether it looks for a fall of 1s, so that it is
    fed hits in place of errors."""

    make: Callable[..., Any]
    is_of_hits: bool = False


def _without_seed(detector: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    def make(*, seed: int, **options: Any) -> Any:  # noqa: ARG001  (nothing in it is random)
        return detector(**{**fixed, **options})

    return make


# Each raises on a rise of the error; those that see falls too are checked afterwards.
RIVER_DETECTORS: Mapping[str, RiverKind] = MappingProxyType(
    {
        "adwin": RiverKind(_without_seed(ADWIN)),
        "page-hinkley": RiverKind(_without_seed(PageHinkley, mode="up")),
        "hddm-a": RiverKind(_without_seed(HDDMA)),
        "hddm-w": RiverKind(_without_seed(HDDMW)),
        "ddm": RiverKind(_without_seed(DDM)),
        "eddm": RiverKind(_without_seed(EDDM)),
        # River's documentation says 1 is an error, its code raises when the mean falls.
        "fhddm": RiverKind(_without_seed(FHDDM), is_of_hits=True),
        "kswin": RiverKind(KSWIN),
    }
)


class RiverDetector:
    """One of `RIVER_DETECTORS` on errors, record by record. Gives no guarantee on false alarms.

    signal: as alarms name it. options: river's own, such as delta=0.01.
    Raises ValueError for a name that is not in the table.
    """

    def __init__(self, name: str, *, signal: str = "error", seed: int = 0, **options: Any) -> None:
        if name not in RIVER_DETECTORS:
            raise ValueError(f"no detector {name!r}; there are: {', '.join(RIVER_DETECTORS)}")
        self._kind = RIVER_DETECTORS[name]
        self._options = {"seed": seed, **options}
        self._signal = signal
        self.reset()

    def update(self, errors: NDArray[np.bool_], records: NDArray[np.int64]) -> Alarm | None:
        """Takes records in order: bool [n], and their numbers; the first alarm among them.

        After an alarm it begins anew with the next record.
        """
        first: Alarm | None = None
        for is_error, record in zip(errors.tolist(), records.tolist(), strict=True):
            self._errors.append(is_error)
            self._records.append(record)
            if self._feed(is_error):
                alarm = self._alarm()
                first = first or alarm
                self.reset()
            elif len(self._errors) > MEMORY_RECORDS:
                self._keep(MEMORY_RECORDS // 2)
        return first

    def reset(self) -> None:
        """Forgets everything."""
        self._errors: list[bool] = []
        self._records: list[int] = []
        self._detector = self._kind.make(**self._options)

    def state(self) -> dict[str, Any]:
        """As JSON values: what was fed since the last alarm gives the same detector again."""
        return {"errors": list(map(int, self._errors)), "records": list(self._records)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken, with the same alarms to come."""
        self.reset()
        self._errors = list(map(bool, state["errors"]))
        self._records = list(map(int, state["records"]))
        self._keep(len(self._errors))

    def _alarm(self) -> Alarm | None:
        """None where what was seen is a fall."""
        errors = np.array(self._errors, np.float64)
        if len(errors) < 2:
            return None
        split, rise = rise_in(errors)
        down, fall = rise_in(-errors)
        # By the squared error that a split takes away: noise alone rises somewhere.
        of_rise, of_fall = (
            at * (len(errors) - at) * max(0.0, size) ** 2
            for at, size in ((split, rise), (down, fall))
        )
        if of_rise <= of_fall:
            return None
        return Alarm(self._signal, self._records[-1], self._records[split], rise)

    def _feed(self, is_error: bool) -> bool:
        self._detector.update(int(is_error != self._kind.is_of_hits))
        return bool(self._detector.drift_detected)

    def _keep(self, records: int) -> None:
        """Feeds the latest ones to a fresh detector; those after it last spoke, if it does."""
        self._errors = self._errors[len(self._errors) - records :]
        self._records = self._records[len(self._records) - records :]
        self._detector = self._kind.make(**self._options)
        spoke = 0
        for fed, is_error in enumerate(self._errors, start=1):
            if self._feed(is_error):
                spoke = fed
                self._detector = self._kind.make(**self._options)
        self._errors, self._records = self._errors[spoke:], self._records[spoke:]


class RiverErrors:
    """A detector of all records' errors, and one of each class's.

    name, options: as `RiverDetector`. classes: names in the model's order.
    """

    def __init__(self, name: str, classes: Sequence[str], *, seed: int = 0, **options: Any) -> None:
        self._overall = RiverDetector(name, seed=seed, **options)
        self._of_class = [
            RiverDetector(name, signal=f"error-of-{one}", seed=seed, **options) for one in classes
        ]

    def update(self, block: SignalBlock) -> list[Alarm]:
        """The alarms that a block with hits and targets raises. Raises ValueError without them."""
        if block.hits is None or block.target is None:
            raise ValueError("errors need records with hits and targets")
        alarms = [self._overall.update(~block.hits, block.records)]
        for place, detector in enumerate(self._of_class):
            chosen = block.target == place
            alarms.append(detector.update(~block.hits[chosen], block.records[chosen]))
        return [alarm for alarm in alarms if alarm is not None]

    def reset(self) -> None:
        """Forgets everything."""
        for detector in (self._overall, *self._of_class):
            detector.reset()

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "overall": self._overall.state(),
            "of_class": [detector.state() for detector in self._of_class],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError for a state of other classes."""
        self._overall.restore(state["overall"])
        for detector, own in zip(self._of_class, state["of_class"], strict=True):
            detector.restore(own)
