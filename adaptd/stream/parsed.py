"""What a schema makes of messages: one record, or columns of many."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.reject import UnfitRecordError


@dataclass(frozen=True)
class Document:
    """One record. x: float32 [*shape]. target: the class's place. time: POSIX seconds. prediction:
    the place of the class that the record says was predicted. weight: above 0."""

    id: str
    x: NDArray[np.float32]
    target: int
    time: float | None
    prediction: int | None = None
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Parsed:
    """Many records. Of the n that fit: x float32 [n, *shape]; target int64 [n], the class's place,
    -1 for one without; ids [n]; times float64 [n], POSIX seconds, NaN for one without; places [n],
    which of what was given they are; prediction int64 [n], the place of the class that the record
    brings along, -1 for one without, or None where the schema names no such field; weight float32
    [n], or None likewise.
    faults: place -> why the others do not fit, in order."""

    x: NDArray[np.float32]
    target: NDArray[np.int64]
    ids: list[str]
    times: NDArray[np.float64]
    places: list[int]
    faults: dict[int, UnfitRecordError]
    prediction: NDArray[np.int64] | None = None
    weight: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class ParsedLabels:
    """Many labels that came without their records. Columns and faults as those of `Parsed`; ids
    are those of the records."""

    ids: list[str]
    target: NDArray[np.int64]
    times: NDArray[np.float64]
    places: list[int]
    faults: dict[int, UnfitRecordError]
