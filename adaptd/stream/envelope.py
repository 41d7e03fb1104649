"""`Envelopes`: all of a record but its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.layout import Layout, needed, optional
from adaptd.stream.reject import UnfitRecordError, shown
from adaptd.stream.targets import NO_CLASS, Targets
from adaptd.stream.times import Times
from adaptd.stream.weights import weight_of, weights_of

# Types of ids.
_TEXT = frozenset({str})
_IDS = frozenset({str, int})


@dataclass(frozen=True)
class Envelope:
    """Of one record: target and prediction are places, `NO_CLASS` for none; time NaN for none;
    weight above 0, 1 for none."""

    id: str
    target: int
    time: float
    prediction: int
    weight: float


@dataclass(frozen=True, eq=False)
class EnvelopeColumns:
    """Of n records: ids [n]; target and prediction int64 [n]; time float64 [n]; weight float32
    [n]."""

    id: list[str]
    target: NDArray[np.int64]
    time: NDArray[np.float64]
    prediction: NDArray[np.int64]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, envelopes: Sequence[Envelope]) -> "EnvelopeColumns":
        return cls(
            [envelope.id for envelope in envelopes],
            np.array([envelope.target for envelope in envelopes], np.int64),
            np.array([envelope.time for envelope in envelopes], np.float64),
            np.array([envelope.prediction for envelope in envelopes], np.int64),
            np.array([envelope.weight for envelope in envelopes], np.float32),
        )

    def __getitem__(self, rows: Sequence[int]) -> "EnvelopeColumns":
        return EnvelopeColumns(
            [self.id[row] for row in rows],
            self.target[rows],
            self.time[rows],
            self.prediction[rows],
            self.weight[rows],
        )


class Envelopes:
    """Reads them, from records as a format has decoded them."""

    def __init__(self, layout: Layout, targets: Targets) -> None:
        self._layout = layout
        self._targets = targets
        self.times = Times(layout.time, layout.time_unit)
        self._needed_id = needed(layout.id)
        self._needed_target = needed(layout.target)
        self._id = optional(layout.id)
        self._target = optional(layout.target)
        self._time = optional(layout.time)
        self._prediction = optional(layout.prediction) if layout.prediction else None
        self._weight = optional(layout.weight) if layout.weight else None

    def read(self, record: Any, *, needs_target: bool) -> Envelope:
        """Raises UnfitRecordError: missing-field, wrong-type, not-finite, unknown-class, weight."""
        if not isinstance(record, dict):
            raise UnfitRecordError("wrong-type", f"expected an object, got {shown(record)}")
        identity = self._id(record)
        # One that comes by itself later may stand here as pending, or as anything.
        target = self._target(record) if needs_target else None
        if identity is None:
            raise UnfitRecordError("missing-field", f"no {self._layout.id}")
        if isinstance(identity, bool) or not isinstance(identity, str | int):
            raise UnfitRecordError(
                "wrong-type", f"{self._layout.id} must be text, got {shown(identity)}"
            )
        if target is None and needs_target:
            raise UnfitRecordError("missing-field", f"no {self._layout.target}")
        prediction = None if self._prediction is None else self._prediction(record)
        weight = None if self._weight is None else self._weight(record)
        return Envelope(
            str(identity),
            self._place(target, self._layout.target),
            self.times.read(self._time(record)),
            self._place(prediction, self._layout.prediction or ""),
            weight_of(weight, field=self._layout.weight),
        )

    def read_all(self, records: Sequence[Any], *, needs_target: bool) -> EnvelopeColumns | None:
        """None unless all of them fit and are of the usual kind."""
        try:
            ids = list(map(self._needed_id, records))
            if not _TEXT.issuperset(map(type, ids)):
                if not _IDS.issuperset(map(type, ids)):
                    return None
                ids = list(map(str, ids))
            return EnvelopeColumns(
                ids,
                self._targets.places_of(list(map(self._needed_target, records)))
                if needs_target
                else np.full(len(records), NO_CLASS, np.int64),
                self.times.read_all(list(map(self._time, records))),
                np.full(len(records), NO_CLASS, np.int64)
                if self._prediction is None
                else self._targets.places_of(
                    list(map(self._prediction, records)), may_be_absent=True
                ),
                np.ones(len(records), np.float32)
                if self._weight is None
                else weights_of(list(map(self._weight, records)), field=self._layout.weight),
            )
        except (KeyError, TypeError, AttributeError, UnfitRecordError):
            return None

    def _place(self, value: object, field: str) -> int:
        return NO_CLASS if value is None else self._targets.place_of(value, field=field)
