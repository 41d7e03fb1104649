"""`Cost`: what a prediction takes, beside the champion's and what is allowed."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, FiniteFloat

from adaptd.server.wording import count, milliseconds, ratio, scaled


class Cost(BaseModel):
    """champion, challenger: None where nobody has measured it. cap: None where there is none."""

    model_config = ConfigDict(frozen=True)

    champion: FiniteFloat | None = None
    challenger: FiniteFloat | None = None
    cap: FiniteFloat | None = None


def checks(
    macs: Cost | None, parameters: Cost | None, latency_seconds: Cost | None
) -> Iterator[tuple[bool, str]]:
    """Of each that has a cap: whether it is kept, and the numbers in a sentence."""
    for cost, takes, amount in (
        (macs, "One prediction takes {} multiply-accumulates", scaled),
        (parameters, "It has {} parameters", _whole),
        (
            latency_seconds,
            "One prediction takes {} on one thread of the daemon's machine",
            milliseconds,
        ),
    ):
        if cost is None or cost.cap is None or cost.challenger is None:
            continue
        text = takes.format(amount(cost.challenger))
        if cost.champion:
            times = ratio(cost.challenger / cost.champion)
            text += f", {times} of the champion's {amount(cost.champion)}"
        yield cost.challenger <= cost.cap, f"{text}; the cap is {amount(cost.cap)}."


def facts(
    macs: Cost | None, parameters: Cost | None, latency_seconds: Cost | None
) -> Iterator[tuple[str, str]]:
    """Of each that was measured: what it is called, and all that is known of it."""
    for cost, title, amount in (
        (macs, "Multiply-accumulates", scaled),
        (parameters, "Parameters", _whole),
        (latency_seconds, "One prediction", milliseconds),
    ):
        if cost is None or cost.challenger is None:
            continue
        beside = [
            f"{name} {amount(value)}"
            for name, value in (("champion", cost.champion), ("cap", cost.cap))
            if value is not None
        ]
        yield title, amount(cost.challenger) + (f" ({', '.join(beside)})" if beside else "")


def _whole(number: float) -> str:
    return count(int(number))
