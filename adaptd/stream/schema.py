"""`Schema`: what a record must look like."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.architecture import Contract
from adaptd.config import RecordConfig
from adaptd.errors import SourceError
from adaptd.stream.envelope import Envelopes
from adaptd.stream.formats.format import Format
from adaptd.stream.formats.json import JsonFormat
from adaptd.stream.layout import PLAIN, Layout, put
from adaptd.stream.missing import Missing
from adaptd.stream.numbers.array import ArrayNumbers
from adaptd.stream.numbers.fields import FieldNumbers
from adaptd.stream.numbers.numbers import Numbers
from adaptd.stream.numbers.raw import RawNumbers
from adaptd.stream.opened import Opened
from adaptd.stream.parsed import Document, Parsed, ParsedLabels
from adaptd.stream.reject import UnfitRecordError
from adaptd.stream.targets import NO_CLASS, Targets
from adaptd.stream.times import Times

_JSON = JsonFormat()


@dataclass(frozen=True)
class Schema:
    """shape: of one record, without the batch axis. classes: names in the model's order.

    features: names of the channels, the first axis of the shape. layout, format: how a message
    holds a record. labels_format: of messages that hold labels only. missing: None where no record
    may lack a number.
    """

    shape: tuple[int, ...]
    classes: tuple[str, ...]
    features: tuple[str, ...]
    layout: Layout = PLAIN
    format: Format = _JSON
    labels_format: Format = _JSON
    missing: Missing | None = None

    @classmethod
    def of(cls, record: RecordConfig) -> "Schema":
        """The schema that a configuration describes; channels without names are x0, x1, …

        Messages are JSON, whatever format is configured: `opening.schema_of` opens that.
        """
        features = record.features or features_of(record.shape[0])
        missing = Missing.of(record, features)
        return cls(
            record.shape,
            record.classes,
            features,
            layout=Layout.of(record),
            missing=None if missing.is_refused else missing,
        )

    @property
    def as_json(self) -> "Schema":
        """The same records as JSON, which files of lines hold."""
        return replace(self, format=_JSON, labels_format=_JSON)

    @property
    def size(self) -> int:
        """Numbers in one record."""
        return math.prod(self.shape)

    def contract(self) -> Contract:
        """What a model for these records takes and gives."""
        return Contract(features=self.features, shape=self.shape, classes=self.classes)

    def place_of(self, target: object) -> int:
        """The class's place in `classes`, as `Targets.place_of` has it."""
        return self._targets.place_of(target, field=self.layout.target)

    @property
    def times(self) -> Times:
        """Reads event times."""
        return self._envelopes.times

    @property
    def may_lack(self) -> tuple[bool, ...]:
        """For each of the record's numbers, in C order, whether it may be missing."""
        takes = (False,) * len(self.features) if self.missing is None else self.missing.takes
        return tuple(np.repeat(takes, self.size // len(takes)).tolist())

    def parse(self, payload: bytes | None) -> Document:
        """One message: by default a JSON object {"id", "x", "target", "time"?}. Fields that the
        layout does not name are left alone.

        id: text or an integer. x: numbers as the layout's encoding has them. time: a number, ISO
        8601 or a timestamp (UTC if it names no zone); null is as good as absent.
        Raises UnfitRecordError with one of the reasons in `reject.REASONS`.
        """
        parsed = self.parse_all([payload])
        if parsed.faults:
            raise parsed.faults[0]
        time = float(parsed.times[0])
        prediction = NO_CLASS if parsed.prediction is None else int(parsed.prediction[0])
        return Document(
            id=parsed.ids[0],
            x=parsed.x[0],
            target=int(parsed.target[0]),
            time=None if math.isnan(time) else time,
            prediction=None if prediction == NO_CLASS else prediction,
            weight=1.0 if parsed.weight is None else float(parsed.weight[0]),
        )

    def parse_all(
        self,
        payloads: Sequence[bytes | None],
        *,
        needs_target: bool = True,
        latest: float | None = None,
    ) -> Parsed:
        """What `parse` makes of each message, as columns.

        needs_target: whether a record without a target does not fit; if not, it is not looked at,
        and is -1.
        latest: POSIX seconds after which no event time may lie (time-ahead); None: any may.
        """
        decoded = self.format.decode_all(payloads)
        opened = Opened.of(decoded, self._envelopes, needs_target=needs_target)
        opened = opened.until(latest, self._envelopes)
        x, unfit = self._read(opened.records)
        if unfit:
            opened = opened.without(unfit)
            x = np.delete(x, list(unfit), axis=0)
        return Parsed(
            x=x,
            target=opened.envelopes.target,
            ids=opened.envelopes.id,
            times=opened.envelopes.time,
            places=opened.places,
            faults=dict(sorted(opened.faults.items())),
            prediction=None if self.layout.prediction is None else opened.envelopes.prediction,
            weight=None if self.layout.weight is None else opened.envelopes.weight,
        )

    def parse_labels(
        self, payloads: Sequence[bytes | None], *, latest: float | None = None
    ) -> ParsedLabels:
        """Messages that hold id, target and perhaps time, each as in a record; other fields are
        left alone. latest: as in `parse_all`."""
        decoded = self.labels_format.decode_all(payloads)
        opened = Opened.of(decoded, self._label_envelopes, needs_target=True)
        opened = opened.until(latest, self._label_envelopes)
        return ParsedLabels(
            ids=opened.envelopes.id,
            target=opened.envelopes.target,
            times=opened.envelopes.time,
            places=opened.places,
            faults=dict(sorted(opened.faults.items())),
        )

    def encode(self, document: Document) -> bytes:
        """A message that is parsed as this record.

        Raises SourceError where the layout's numbers or the format cannot hold it.
        """
        layout = self.layout
        record: dict[str, Any] = {}
        put(record, layout.id, document.id)
        try:
            self._numbers.write(record, document.x, is_text=self.format.is_text)
        except OverflowError as error:
            raise SourceError(f"record {document.id}: {error}") from error
        put(record, layout.target, self.classes[document.target])
        if document.time is not None:
            number = self.times.written(document.time)
            put(record, layout.time, self.format.time(layout.time, document.time, number))
        if layout.prediction is not None and document.prediction is not None:
            put(record, layout.prediction, self.classes[document.prediction])
        if layout.weight is not None:
            # As text the shortest that is read as the same float32.
            weight = np.float32(document.weight) if self.format.is_text else document.weight
            put(record, layout.weight, weight)
        return self.format.encode(record)

    def settle(self, x: NDArray[np.float32]) -> dict[int, UnfitRecordError]:
        """Puts in what stands in for missing numbers, NaN in x, float32 [n, *shape]. Returns row ->
        why its numbers do not fit, of those that are not finite even so."""
        if np.isfinite(x).all():
            return {}
        if self.missing is not None:
            self.missing.fill(x)
        is_finite = np.isfinite(x.reshape(len(x), self.shape[0], -1))
        is_unfit = np.logical_not(np.all(is_finite, axis=2))
        return {
            int(row): UnfitRecordError(
                "not-finite",
                f"{self.features[int(np.argmax(is_unfit[row]))]} holds a number that is not "
                "finite as float32",
            )
            for row in np.flatnonzero(np.any(is_unfit, axis=1))
        }

    def _read(
        self, records: Sequence[Any]
    ) -> tuple[NDArray[np.float32], dict[int, UnfitRecordError]]:
        """float32 [n, *shape], and row -> why it does not fit; its numbers then mean nothing."""
        unfit: dict[int, UnfitRecordError] = {}
        x = self._numbers.read_all(records) if records else None
        if x is None:
            x = np.zeros((len(records), *self.shape), np.float32)
            for row, record in enumerate(records):
                try:
                    self._numbers.read(record, x[row])
                except UnfitRecordError as error:
                    unfit[row] = error
        unfit.update({row: error for row, error in self.settle(x).items() if row not in unfit})
        return x, unfit

    @cached_property
    def _targets(self) -> Targets:
        return Targets(self.classes)

    @cached_property
    def _envelopes(self) -> Envelopes:
        return Envelopes(self.layout, self._targets)

    @cached_property
    def _label_envelopes(self) -> Envelopes:
        return Envelopes(replace(self.layout, prediction=None, weight=None), self._targets)

    @cached_property
    def _numbers(self) -> Numbers:
        layout = self.layout
        match layout.encoding:
            case "array":
                return ArrayNumbers(layout.x, self.shape, may_lack=self.missing is not None)
            case "fields":
                return FieldNumbers(self.features, may_lack=self.may_lack)
            case "bytes":
                return RawNumbers(layout.x, self.shape, layout.dtype)


def features_of(channels: int) -> tuple[str, ...]:
    """Names for channels that have none: x0, x1, …"""
    return tuple(f"x{channel}" for channel in range(channels))
