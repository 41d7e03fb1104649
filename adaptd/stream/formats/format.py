"""`Format`: how a message's bytes hold a record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from adaptd.stream.reject import UnfitRecordError


@dataclass(frozen=True, eq=False)
class Decoded:
    """records: those that could be read; dictionaries, if they are records at all. places: which of
    what was given they are. faults: place -> why the others could not."""

    records: list[Any]
    places: list[int]
    faults: dict[int, UnfitRecordError] = field(default_factory=dict)


class Format(Protocol):
    """A value. Whatever bytes it is given, it raises nothing that it does not name."""

    @property
    def is_text(self) -> bool:
        """Whether it has no bytes among its values."""
        ...

    def decode_all(self, payloads: Sequence[bytes | None]) -> Decoded:
        """Many messages. Raises nothing."""
        ...

    def time(self, field: str, seconds: float, number: float) -> object:
        """What stands in the field for a time. seconds: POSIX. number: the same in the unit that
        the layout names."""
        ...

    def encode(self, record: dict[str, Any]) -> bytes:
        """A message that is decoded as this record. Raises SourceError where it cannot hold it."""
        ...


def decode_each(decode: Callable[[bytes], Any], payloads: Sequence[bytes | None]) -> Decoded:
    """One after the other. decode: raises UnfitRecordError for what is not of its format."""
    decoded = Decoded([], [])
    for place, payload in enumerate(payloads):
        try:
            if payload is None:
                raise UnfitRecordError("unreadable", "the record has no value")
            decoded.records.append(decode(payload))
            decoded.places.append(place)
        except UnfitRecordError as error:
            decoded.faults[place] = error
    return decoded
