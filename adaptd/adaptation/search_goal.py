"""`Goal`: what a search is to reach, and what it must not exceed."""

import re
from dataclasses import dataclass

_RATIO = re.compile(r"macs:([0-9]+(?:\.[0-9]+)?)x")
_COUNT = re.compile(r"macs:([0-9]+)")
_USAGE = "accuracy, accuracy+macs:RATIOx or accuracy+macs:COUNT, as in accuracy+macs:1.1x"


@dataclass(frozen=True)
class Goal:
    """The best accuracy, within a cap on multiply-accumulates of one record.

    macs_ratio: the cap over what the given architecture takes; macs: the cap itself. At most one of
    them; neither is no cap.
    """

    macs_ratio: float | None = None
    macs: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Goal":
        """Raises ValueError, with the part that is wrong and what is expected."""
        first, *parts = (part.strip() for part in text.split("+"))
        if first != "accuracy":
            raise ValueError(f"{text!r}: got {first!r}, expected {_USAGE}")
        if len(parts) > 1:
            raise ValueError(f"{text!r}: got {len(parts)} caps, expected {_USAGE}")
        if not parts:
            return cls()
        (part,) = parts
        if (found := _RATIO.fullmatch(part)) and float(found[1]) > 0:
            return cls(macs_ratio=float(found[1]))
        if (found := _COUNT.fullmatch(part)) and int(found[1]) > 0:
            return cls(macs=int(found[1]))
        raise ValueError(f"{text!r}: got {part!r}, expected {_USAGE}")

    def cap(self, macs: int) -> int | None:
        """In multiply-accumulates, for a given architecture that takes so many; None for none."""
        return int(self.macs_ratio * macs) if self.macs_ratio is not None else self.macs
