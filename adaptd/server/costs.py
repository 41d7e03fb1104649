"""`Cost`: what a prediction takes, beside the champion's and what is allowed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, FiniteFloat

from adaptd.server.wording import count, milliseconds, ratio, scaled


class Cost(BaseModel):
    """champion, challenger: None where nobody has measured it. cap: None where there is none."""

    model_config = ConfigDict(frozen=True)

    champion: FiniteFloat | None = None
    challenger: FiniteFloat | None = None
    cap: FiniteFloat | None = None


@dataclass(frozen=True)
class _Kind:
    """title: of a row. sentence: with a place for the amount. amount: in words."""

    title: str
    sentence: str
    amount: Callable[[float], str]


# Of `checks` and `facts`, in the order of what they are given.
_KINDS = (
    _Kind("Multiply-accumulates", "One prediction takes {} multiply-accumulates", scaled),
    _Kind("Parameters", "It has {} parameters", lambda number: count(int(number))),
    _Kind(
        "One prediction",
        "One prediction takes {} on one thread of the daemon's machine",
        milliseconds,
    ),
)


def checks(
    macs: Cost | None, parameters: Cost | None, latency_seconds: Cost | None
) -> Iterator[tuple[bool, str]]:
    """Of each that has a cap: whether it is kept, and the numbers in a sentence."""
    for kind, cost in zip(_KINDS, (macs, parameters, latency_seconds), strict=True):
        if cost is None or cost.cap is None or cost.challenger is None:
            continue
        text = kind.sentence.format(kind.amount(cost.challenger))
        if cost.champion:
            times = ratio(cost.challenger / cost.champion)
            text += f", {times} of the champion's {kind.amount(cost.champion)}"
        yield cost.challenger <= cost.cap, f"{text}; the cap is {kind.amount(cost.cap)}."


def facts(
    macs: Cost | None, parameters: Cost | None, latency_seconds: Cost | None
) -> Iterator[tuple[str, str]]:
    """Of each that was measured: what it is called, and all that is known of it."""
    for kind, cost in zip(_KINDS, (macs, parameters, latency_seconds), strict=True):
        if cost is None or cost.challenger is None:
            continue
        beside = [
            f"{name} {kind.amount(value)}"
            for name, value in (("champion", cost.champion), ("cap", cost.cap))
            if value is not None
        ]
        told = f" ({', '.join(beside)})" if beside else ""
        yield kind.title, kind.amount(cost.challenger) + told
