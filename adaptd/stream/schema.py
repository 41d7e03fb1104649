"""`Schema`: what a record must look like."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from adaptd.architecture import Contract
from adaptd.config import RecordConfig
from adaptd.errors import SourceError
from adaptd.stream.envelope import EnvelopeColumns, Envelopes
from adaptd.stream.formats.json import JsonFormat
from adaptd.stream.layout import PLAIN, Layout
from adaptd.stream.numbers.array import ArrayNumbers
from adaptd.stream.parsed import Document, Parsed, ParsedLabels
from adaptd.stream.reject import UnfitRecordError
from adaptd.stream.targets import NO_CLASS, Targets

_COLUMN = re.compile(r"x(\d+)")


@dataclass(frozen=True)
class Schema:
    """shape: of one record, without the batch axis. classes: names in the model's order.

    features: names of the channels, the first axis of the shape.
    """

    shape: tuple[int, ...]
    classes: tuple[str, ...]
    features: tuple[str, ...]
    layout: Layout = PLAIN

    @classmethod
    def of(cls, record: RecordConfig) -> "Schema":
        """The schema that a configuration describes; channels without names are x0, x1, …"""
        return cls(
            record.shape,
            record.classes,
            record.features or features_of(record.shape[0]),
            Layout(
                id=record.id,
                time=record.time,
                target=record.target,
                prediction=record.prediction,
                x=record.x,
            ),
        )

    @property
    def size(self) -> int:
        """Numbers in one record."""
        return math.prod(self.shape)

    @property
    def columns(self) -> tuple[str, ...]:
        """A recorded stream's column names, channel-major: x0, x1, …"""
        return tuple(f"x{index}" for index in range(self.size))

    def contract(self) -> Contract:
        """What a model for these records takes and gives."""
        return Contract(features=self.features, shape=self.shape, classes=self.classes)

    def check_columns(self, names: Iterable[str], *, origin: str) -> None:
        """Raises SourceError unless there are exactly the columns x0 … for this shape, and target.

        Columns of other names are nobody's business. `origin` names the file in the error.
        """
        listed = list(names)
        found = set(listed)
        wanted = set(self.columns)
        absent = [name for name in (*self.columns, "target") if name not in found]
        surplus = sorted(
            (name for name in found - wanted if _COLUMN.fullmatch(name)),
            key=lambda name: int(name[1:]),
        )
        expected = f"expected x0 to x{self.size - 1} (shape {list(self.shape)}) and target"
        if absent:
            raise SourceError(f"{origin}: no column {', '.join(absent[:5])}; {expected}")
        doubled = sorted(name for name in {*wanted, "target"} if listed.count(name) > 1)
        if doubled:
            raise SourceError(f"{origin}: two columns are called {doubled[0]}; {expected}")
        if surplus:
            raise SourceError(
                f"{origin}: column {', '.join(surplus[:5])} is one too many; {expected}. "
                "Set record.shape to the shape that was recorded."
            )

    def place_of(self, target: object) -> int:
        """The class's place in `classes`, as `Targets.place_of` has it."""
        return self._targets.place_of(target)

    def parse(self, payload: bytes | None) -> Document:
        """One JSON object {"id", "x", "target", "time"?}; other keys are left alone.

        id: text or an integer. x: numbers nested as the shape is. time: POSIX seconds or ISO 8601
        (UTC if it names no zone); null is as good as absent.
        Raises UnfitRecordError with one of the reasons in `reject.REASONS`.
        """
        record = self._format.decode(payload)
        envelope = self._envelopes.read(record, needs_target=True)
        x = np.empty(self.shape, np.float32)
        self._numbers.read(record, x)
        return Document(
            id=envelope.id,
            x=x,
            target=envelope.target,
            time=None if math.isnan(envelope.time) else envelope.time,
            prediction=None if envelope.prediction == NO_CLASS else envelope.prediction,
        )

    def parse_all(self, payloads: Sequence[bytes | None], *, needs_target: bool = True) -> Parsed:
        """What `parse` makes of each, as columns, in less than half of the time.

        needs_target: whether a record without a target does not fit; if not, its target is -1.
        """
        opened = self._opened(payloads, needs_target=needs_target)
        envelopes, places = opened.envelopes, opened.places
        x = self._numbers.read_all(opened.records)
        if x is None:
            # Some do not fit: one by one, to see which and why.
            x = np.empty((len(places), *self.shape), np.float32)
            fit = []
            for row, place in enumerate(places):
                try:
                    self._numbers.read(opened.records[row], x[row])
                except UnfitRecordError as error:
                    opened.faults[place] = error
                else:
                    fit.append(row)
            x = x[fit]
            envelopes = envelopes[fit]
            places = [places[row] for row in fit]
        return Parsed(
            x=x,
            target=envelopes.target,
            ids=envelopes.id,
            times=envelopes.time,
            places=places,
            faults=dict(sorted(opened.faults.items())),
            prediction=None if self.layout.prediction is None else envelopes.prediction,
        )

    def parse_labels(self, payloads: Sequence[bytes | None]) -> ParsedLabels:
        """Messages that hold id, target and perhaps time, each as in a record; other keys are left
        alone."""
        opened = self._opened(payloads, needs_target=True)
        return ParsedLabels(
            ids=opened.envelopes.id,
            target=opened.envelopes.target,
            times=opened.envelopes.time,
            places=opened.places,
            faults=opened.faults,
        )

    def _opened(self, payloads: Sequence[bytes | None], *, needs_target: bool) -> "_Opened":
        records = self._format.decode_all(payloads)
        if records is not None:
            envelopes = self._envelopes.read_all(records, needs_target=needs_target)
            if envelopes is not None:
                return _Opened(records, envelopes, list(range(len(payloads))), {})
        # Some do not fit, or are of another kind: one by one, to see which and why.
        opened = []
        faults: dict[int, UnfitRecordError] = {}
        for place, payload in enumerate(payloads):
            try:
                record = self._format.decode(payload)
                opened.append(
                    (record, self._envelopes.read(record, needs_target=needs_target), place)
                )
            except UnfitRecordError as error:
                faults[place] = error
        return _Opened(
            [record for record, _, _ in opened],
            EnvelopeColumns.of([envelope for _, envelope, _ in opened]),
            [place for _, _, place in opened],
            faults,
        )

    @cached_property
    def _targets(self) -> Targets:
        return Targets(self.classes)

    @cached_property
    def _format(self) -> JsonFormat:
        return JsonFormat()

    @cached_property
    def _envelopes(self) -> Envelopes:
        return Envelopes(self.layout, self._targets)

    @cached_property
    def _numbers(self) -> ArrayNumbers:
        return ArrayNumbers(self.layout.x, self.shape)


@dataclass(frozen=True, eq=False)
class _Opened:
    """n records that could be read, without what their numbers are. faults: of the others."""

    records: list[Any]
    envelopes: EnvelopeColumns
    places: list[int]
    faults: dict[int, UnfitRecordError]


def features_of(channels: int) -> tuple[str, ...]:
    """Names for channels that have none: x0, x1, …"""
    return tuple(f"x{channel}" for channel in range(channels))
