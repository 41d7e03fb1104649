"""`Reject`: a record that does not fit the schema, set aside with its reason."""

import reprlib
from dataclasses import dataclass
from typing import Literal, get_args

Reason = Literal[
    "unreadable",
    "missing-field",
    "wrong-type",
    "wrong-shape",
    "not-finite",
    "unknown-class",
    "time-ahead",
    "weight",
]

REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True)
class Reject:
    """A record set aside. detail: what was seen and expected. payload: the record as it came."""

    reason: Reason
    partition: int
    offset: int
    detail: str
    payload: bytes


class UnfitRecordError(ValueError):
    """Says why one record does not fit. Its source makes a Reject of it: it leaves no poll."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def shown(value: object) -> str:
    """What was seen, for a detail: short, however long or deep it is."""
    # reprlib stops in long and in deep values, where repr would not.
    return reprlib.repr(value)
