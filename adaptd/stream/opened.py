"""`Opened`: records whose envelopes were read, and why others' could not be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from adaptd.stream.envelope import EnvelopeColumns, Envelopes
from adaptd.stream.formats.format import Decoded
from adaptd.stream.reject import UnfitRecordError


@dataclass(frozen=True, eq=False)
class Opened:
    """n records, as their format has decoded them, and their envelopes; what their numbers are was
    not looked at. places: which of what was given they are. faults: place -> why others do not
    fit."""

    records: list[Any]
    envelopes: EnvelopeColumns
    places: list[int]
    faults: dict[int, UnfitRecordError]

    @classmethod
    def of(cls, decoded: Decoded, reader: Envelopes, *, needs_target: bool) -> "Opened":
        """needs_target: whether a record without one does not fit."""
        envelopes = reader.read_all(decoded.records, needs_target=needs_target)
        if envelopes is not None:
            return cls(decoded.records, envelopes, decoded.places, decoded.faults)
        # Some do not fit, or are of an unusual kind: one by one, to see which and why.
        read = []
        rows = []
        faults = dict(decoded.faults)
        for row, record in enumerate(decoded.records):
            try:
                read.append(reader.read(record, needs_target=needs_target))
                rows.append(row)
            except UnfitRecordError as error:
                faults[decoded.places[row]] = error
        return cls(
            [decoded.records[row] for row in rows],
            EnvelopeColumns.of(read),
            [decoded.places[row] for row in rows],
            faults,
        )

    def until(self, latest: float | None, reader: Envelopes) -> "Opened":
        """Without those whose event time is later, in POSIX seconds; None: all of them."""
        if latest is None:
            return self
        ahead = self.envelopes.time - latest
        return self.without(
            {int(row): reader.times.ahead(float(ahead[row])) for row in np.flatnonzero(ahead > 0)}
        )

    def without(self, unfit: Mapping[int, UnfitRecordError]) -> "Opened":
        """Without some rows, whose faults join the others."""
        if not unfit:
            return self
        rows = [row for row in range(len(self.records)) if row not in unfit]
        return Opened(
            [self.records[row] for row in rows],
            self.envelopes[rows],
            [self.places[row] for row in rows],
            {**self.faults, **{self.places[row]: error for row, error in unfit.items()}},
        )
