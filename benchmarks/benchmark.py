"""`Benchmark`: a measurement that has a name, what it is given, and what it hands back."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

# full: what is published. quick: minutes at most, shows the same effect with wider errors.
# smoke: seconds; shows that it runs, its figures mean nothing.
Scale = Literal["full", "quick", "smoke"]


@dataclass(frozen=True)
class Settings:
    """How much is measured, and from what.

    seeds: each one repetition, at least one. data: the folder of recorded data, which may be
    absent; `benchmarks.recorded.recorded` says so where a benchmark needs it. keep: directory of
    finished repetitions, which are not run again; None for none.
    """

    scale: Scale
    seeds: tuple[int, ...]
    data: Path
    keep: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """document: plain values that JSON can hold, units in its keys. draw: writes a PNG there."""

    document: dict[str, Any]
    draw: Callable[[Path], None]


Run = Callable[[Settings], Outcome]


@dataclass(frozen=True)
class Benchmark:
    """A row of the table. module: its full name; it defines `run(settings) -> Outcome`."""

    name: str
    line: str
    module: str

    def load(self) -> Run:
        """Imports the module, and only now, so that nobody pays for another benchmark's imports."""
        return cast(Run, import_module(self.module).run)
