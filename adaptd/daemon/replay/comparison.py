"""`Comparison`: what was recorded of an episode beside what came of running it again."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from adaptd.daemon.replay.blame import Stage, blame, differences
from adaptd.daemon.replay.rerun import Rerun

What = Literal["architecture", "weights", "verdict", "winner", "records", "accuracy", "e-value"]

# Of an e-value: its log is a sum over thousands of records, which another numpy adds up otherwise.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Line:
    """One thing that is compared. trial: its number. of: the member that it is of, or the rival
    that it is against; None for what is of the whole trial."""

    trial: int
    kind: str
    what: What
    of: str | None
    recorded: Any
    replayed: Any

    @property
    def is_same(self) -> bool:
        if self.what == "e-value" and None not in (self.recorded, self.replayed):
            return math.isclose(self.recorded, self.replayed, rel_tol=TOLERANCE)
        return bool(self.recorded == self.replayed)

    @property
    def stage(self) -> Stage:
        return "training" if self.what in ("architecture", "weights") else "trial"


@dataclass(frozen=True)
class Comparison:
    """All lines in the order of what was done, and what is to be said of them."""

    lines: tuple[Line, ...]
    is_same_architecture: bool
    is_same_verdict: bool
    blame: str | None
    changes: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether it is what a replay promises: weights may differ in bits between machines."""
        return self.is_same_architecture and self.is_same_verdict

    @property
    def sentence(self) -> str:
        """The outcome in one line, with what is to blame where something differs."""
        architecture = "Same" if self.is_same_architecture else "NOT the same"
        verdict = "same" if self.is_same_verdict else "NOT the same"
        said = f"{architecture} architecture, {verdict} verdict"
        if self.blame is not None:
            return f"{said}{', though not to the bit' if self.is_same else ''}; {self.blame}."
        if self.changes:
            return f"{said}, in spite of {'; '.join(self.changes)}."
        return f"{said}."


def compare(reruns: Sequence[Rerun]) -> Comparison:
    """Blames the first thing that differs: what follows from it differs too."""
    lines = tuple(line for rerun in reruns for line in _lines(rerun))
    by_number = {rerun.row.number: rerun for rerun in reruns}
    first = next((line for line in lines if not line.is_same), None)
    blamed = None
    if first is not None:
        rerun = by_number[first.trial]
        then = rerun.row.made_by.get(first.stage, {})
        blamed = blame(then, rerun.made_by[first.stage], stage=first.stage)
    return Comparison(
        lines=lines,
        is_same_architecture=_are_same(lines, ("architecture",)),
        is_same_verdict=_are_same(lines, ("verdict", "winner")),
        blame=blamed,
        changes=tuple(dict.fromkeys(_changes(reruns))),
    )


def _are_same(lines: Sequence[Line], what: tuple[What, ...]) -> bool:
    return all(line.is_same for line in lines if line.what in what)


def _changes(reruns: Sequence[Rerun]) -> Iterator[str]:
    stages: tuple[Stage, ...] = ("training", "trial")
    for rerun in reruns:
        for stage in stages:
            then, now = rerun.row.made_by.get(stage, {}), rerun.made_by[stage]
            yield from map(str, differences(then, now, stage=stage))


def _lines(rerun: Rerun) -> Iterator[Line]:
    row, now = rerun.row, rerun.evidence
    then = row.evidence or {}

    def line(what: What, of: str | None, recorded: Any, replayed: Any) -> Line:
        return Line(row.number, row.kind, what, of, recorded, replayed)

    for name, member in rerun.members.items():
        recorded = row.members.get(name, {})
        yield line("architecture", name, recorded.get("architecture"), member["architecture"])
        yield line("weights", name, recorded.get("weights"), member["weights"])
    for what in ("accuracy", "e-value"):
        key = what.replace("-", "_")
        for name in now[key]:
            yield line(what, name, then.get(key, {}).get(name), now[key][name])
    yield line("records", None, then.get("records"), now["records"])
    yield line("winner", None, then.get("winner"), now["winner"])
    yield line("verdict", None, then.get("verdict"), now["verdict"])
