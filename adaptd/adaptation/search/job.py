"""What `adaptd search` is asked for, and what it tells on the way. Plain values, without torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from adaptd.architecture import Setting
from adaptd.errors import ConfigError

SCHEMA_VERSION = 1

Claim = Literal["new", "resume", "force"]
Precision = Literal["float32", "bf16"]


class SearchJob(BaseModel):
    """One search of one network on one stream.

    stream: scenario, path of a recorded file, or name of a stream in `config`. start: release
    directory, path of an architecture document, or factory `package.module:name`, which takes
    `settings`. weights: file with the network's weights, None for those of the release or none.
    budget, goal: as `Budget` and `Goal` parse them. candidates: operations that edges are opened
    to, None for what suits the network. edges: how many are opened, the most sensitive ones, None
    for all. guards: names of those that watch over a supernet, None for the usual ones. records:
    the latest so many, None for what suits the stream. shape: of a record of a file that does not
    tell it. minimum_records: a search on fewer is refused, None for 400 and 40 a class where it
    goes out from trained weights, else 10,000. device: torch's name of where networks are trained,
    None for a CUDA device where there is one, else the processor. precision: of activations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stream: str
    config: Path | None = None
    shape: tuple[int, ...] | None = None
    records: int | None = None
    minimum_records: int | None = Field(default=None, ge=1)
    start: str
    settings: dict[str, Setting] = {}
    weights: Path | None = None
    method: str = "bounded"
    budget: str = "steps=800"
    goal: str = "accuracy+macs:1.1x"
    candidates: tuple[str, ...] | None = None
    edges: int | None = Field(default=None, ge=1)
    guards: tuple[str, ...] | None = None
    device: str | None = None
    precision: Precision = "float32"
    seed: int = 0

    def to_document(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return self.model_dump(mode="json")


# How a field of the job is called on the command line, where a person meets it.
_OPTIONS: Mapping[str, str] = {
    "stream": "STREAM",
    "config": "-c",
    "start": "--from",
    "settings": "--set",
    "goal": "--objective",
    "guards": "--guard",
    "minimum_records": "--minimum-records",
}


def check_same(job: SearchJob, begun: Mapping[str, Any], path: Path) -> None:
    """Whether the job is the one whose document is kept in the directory.

    Raises ConfigError, with the option that differs.
    """
    asked = job.to_document()
    for name in dict.fromkeys((*begun, *asked)):
        if asked.get(name) != begun.get(name):
            raise ConfigError(
                f"{_OPTIONS.get(name, f'--{name}')} is {_shown(asked.get(name))}, but the search "
                f"in {path} was begun with {_shown(begun.get(name))}: give the same to go on with "
                "it, or --force to begin anew"
            )


def _shown(value: object) -> str:
    return "not given" if value in (None, {}) else repr(value)


@dataclass(frozen=True)
class Facts:
    """What is known before the first step.

    caps: what is counted -> the most there may be of it. groups: group -> its edges;
    deployed: group -> the operation of its first edge. Both {} for a
    method that trains whole architectures. deployed_bytes, supernet_bytes: activations that a
    training step keeps; None without a supernet. resumed_at: step that the search goes on from.
    """

    method: str
    summary: str
    stream: str
    records: int
    held_out: int
    steps: int
    macs: int
    caps: Mapping[str, float]
    groups: Mapping[str, tuple[str, ...]]
    deployed: Mapping[str, str]
    deployed_bytes: int
    supernet_bytes: int | None
    relaxation: str | None
    resumed_at: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arm:
    """An architecture that is trained beside others. loss: latest on held-out records; steps:
    that it was trained for."""

    digest: str
    name: str
    steps: int
    loss: float


@dataclass(frozen=True)
class SearchMoment:
    """Where a search stands. alphas: group -> operation -> weight, {} where there are none.

    arms: each that has been judged once, at its latest judgement.
    """

    phase: str
    step: int
    steps: int
    loss: float
    alphas: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    arms: Sequence[Arm] = ()


SearchWatch = Callable[[SearchMoment], None]

# Operations that let a record pass unchanged, or not at all.
_SKIPS = frozenset({"skip", "identity", "none", "zero"})


def skip_share(alphas: Mapping[str, Mapping[str, float]]) -> float:
    """Mean over the groups of the weight on operations without parameters that pass or drop all."""
    if not alphas:
        return 0.0
    return sum(
        weight
        for weights in alphas.values()
        for operation, weight in weights.items()
        if operation.partition(" ")[0] in _SKIPS
    ) / len(alphas)
