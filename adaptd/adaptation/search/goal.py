"""`Goal`: what a search is to reach, and what it must not exceed."""

import re
from dataclasses import dataclass, replace

_RATIO = re.compile(r"([0-9]+(?:\.[0-9]+)?)x")
_ABSOLUTE = {
    "macs": re.compile(r"([0-9]+)"),
    "parameters": re.compile(r"([0-9]+)"),
    "latency": re.compile(r"([0-9]+(?:\.[0-9]+)?)ms"),
}
_USAGE = (
    "accuracy, and if wanted +macs:RATIOx or +macs:COUNT, +parameters:RATIOx or +parameters:COUNT, "
    "+latency:RATIOx or +latency:NUMBERms, as in accuracy+macs:1.1x+latency:2ms"
)


@dataclass(frozen=True)
class Bound:
    """value: of the cost itself (latency: seconds), or over what the given architecture takes."""

    value: float
    is_ratio: bool = False

    def most(self, given: float) -> float:
        """The cap, where the given architecture takes so much."""
        return self.value * given if self.is_ratio else self.value


@dataclass(frozen=True)
class Goal:
    """The best accuracy within bounds: multiply-accumulates of one record, trainable parameters,
    seconds of a prediction on one record. None is no bound."""

    macs: Bound | None = None
    parameters: Bound | None = None
    latency: Bound | None = None

    @classmethod
    def parse(cls, text: str) -> "Goal":
        """Raises ValueError, with the part that is wrong and what is expected."""
        first, *parts = (part.strip() for part in text.split("+"))
        if first != "accuracy":
            raise ValueError(f"{text!r}: got {first!r}, expected {_USAGE}")
        goal = cls()
        for part in parts:
            name, _, value = part.partition(":")
            bound = _bound(name, value)
            if bound is None:
                raise ValueError(f"{text!r}: got {part!r}, expected {_USAGE}")
            if getattr(goal, name) is not None:
                raise ValueError(f"{text!r}: got {name} twice, expected {_USAGE}")
            goal = replace(goal, **{name: bound})
        return goal


def _bound(name: str, value: str) -> Bound | None:
    if name not in _ABSOLUTE:
        return None
    if found := _RATIO.fullmatch(value):
        bound = Bound(float(found[1]), is_ratio=True)
    elif found := _ABSOLUTE[name].fullmatch(value):
        # Written in milliseconds, counted in seconds.
        bound = Bound(float(found[1]) / (1_000 if name == "latency" else 1))
    else:
        return None
    return bound if bound.value > 0 else None
