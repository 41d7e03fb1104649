"""Which difference of versions or machines is to blame where a replay comes out differently."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Stage = Literal["training", "trial"]

# What is at work in each stage, the likelier cause first: another kernel adds up in another order,
# and what differs in a last bit after one step differs in more after hundreds.
AT_WORK: dict[Stage, tuple[str, ...]] = {
    "training": (
        "device",
        "torch",
        "instructions",
        "threads",
        "adaptd",
        "source",
        "processor",
        "numpy",
        "python",
        "system",
    ),
    "trial": (
        "onnxruntime",
        "instructions",
        "adaptd",
        "source",
        "processor",
        "numpy",
        "python",
        "system",
    ),
}

_NAMES = {
    "source": "adaptd's source",
    "instructions": "CPU capability",
    "threads": "thread count",
}

NOT_RECORDED = "what it was made with then was not recorded"
NOTHING_KNOWN = "no difference of versions or machine is known"


@dataclass(frozen=True)
class Difference:
    """What was something else then. name: as of `telemetry.provenance`."""

    name: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{_NAMES.get(self.name, self.name)} {self.then} then, {self.now} now"


def differences(
    then: Mapping[str, str], now: Mapping[str, str], *, stage: Stage
) -> list[Difference]:
    """What was at work in a stage and was something else then, the likelier cause first; only what
    is known of both."""
    found = [
        Difference(name, then[name], now[name])
        for name in AT_WORK[stage]
        if name in then and name in now and then[name] != now[name]
    ]
    # Another version has another source.
    is_other_version = any(one.name == "adaptd" for one in found)
    return [one for one in found if not (is_other_version and one.name == "source")]


def blame(then: Mapping[str, str], now: Mapping[str, str], *, stage: Stage) -> str:
    """In words, without a full stop."""
    if not then:
        return NOT_RECORDED
    found = differences(then, now, stage=stage)
    if not found:
        return NOTHING_KNOWN
    if len(found) == 1:
        return f"to blame: {found[0]}"
    return f"to blame, one of these, the likelier first: {'; '.join(map(str, found))}"
