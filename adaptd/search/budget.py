"""`Budget`: what a search may spend: memory, steps or seconds, cores."""

import math
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from adaptd.errors import JobError

# Steps. The first ones of a process allocate, choose kernels and fill caches.
_WARM_UP = 2
# Steps. The fewest whose median two slow ones (another process, a page fault) do not move.
_MEASURED = 5

_KEYS = ("memory", "steps", "wall", "cores")
_USAGE = "steps=COUNT or wall=SECONDS, if wanted memory=RATIO and cores=COUNT, with commas between"

# More threads than any machine has cores: torch dies of them.
_MOST_CORES = 1_024


@dataclass(frozen=True)
class Budget:
    """What a search may spend. Exactly one of steps and wall_seconds.

    memory_ratio: activation bytes that a training step may keep, over those of the deployed
    network's at the same batch; None for no bound. steps: gradient computations. wall_seconds: is
    made a number of steps by `resolve` before anything is learnt, and that number is what is
    carried out and recorded, so that a run can be repeated on any machine; beyond that a wall clock
    only kills what hangs, it never decides what a search returns. cores: threads given to torch.
    Raises ValueError, naming the field, for any other value.
    """

    memory_ratio: float | None = None
    steps: int | None = None
    wall_seconds: float | None = None
    cores: int = 1

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.wall_seconds is None):
            raise ValueError(
                f"expected exactly one of steps and wall, got steps={self.steps}, "
                f"wall={self.wall_seconds}"
            )
        for key, count in (("steps", self.steps), ("cores", self.cores)):
            if count is not None and count < 1:
                raise ValueError(f"{key}={count}: expected a whole number of at least 1")
        if self.cores > _MOST_CORES:
            raise ValueError(f"cores={self.cores}: expected at most {_MOST_CORES}")
        for key, size in (("memory", self.memory_ratio), ("wall", self.wall_seconds)):
            if size is not None and not (math.isfinite(size) and size > 0):
                raise ValueError(f"{key}={size}: expected a number above 0")

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """From `memory=1.05,steps=2000` or `wall=600`, in any order.

        Raises ValueError with the key, the value seen and what is expected.
        """
        seen: dict[str, str] = {}
        for part in text.split(","):
            key, equals, value = (word.strip() for word in part.partition("="))
            if not equals or key not in _KEYS:
                raise ValueError(f"budget {text!r}: got {part.strip()!r}, expected {_USAGE}")
            if key in seen:
                raise ValueError(f"budget {text!r}: {key} is given twice")
            seen[key] = value
        try:
            return cls(
                memory_ratio=_number("memory", seen["memory"]) if "memory" in seen else None,
                steps=_count("steps", seen["steps"]) if "steps" in seen else None,
                wall_seconds=_number("wall", seen["wall"]) if "wall" in seen else None,
                cores=_count("cores", seen["cores"]) if "cores" in seen else 1,
            )
        except ValueError as error:
            raise ValueError(f"budget {text!r}: {error}") from error

    def __str__(self) -> str:
        fields = (
            ("memory", self.memory_ratio),
            ("steps", self.steps),
            ("wall", self.wall_seconds),
            ("cores", self.cores),
        )
        return ",".join(f"{key}={value}" for key, value in fields if value is not None)

    def resolve(self, measure_step: Callable[[], float]) -> int:
        """The number of steps to carry out; given as such, nothing is measured.

        measure_step: runs one step of the search to be, on a copy, and returns its seconds by a
        monotonic clock; called seven times, of which the last five count, by their median. All
        seven are part of the wall budget. Raises JobError if no step is left of it, ValueError
        where a step takes no time.
        """
        if self.steps is not None:
            return self.steps
        assert self.wall_seconds is not None
        taken: list[float] = []
        while len(taken) < _WARM_UP + _MEASURED:
            taken.append(measure_step())
            if taken[-1] <= 0:
                raise ValueError(f"expected a step to take more than 0 s, got {taken[-1]} s")
            if sum(taken) >= self.wall_seconds:
                raise self._is_too_short(taken)
        steps = int((self.wall_seconds - sum(taken)) / statistics.median(taken[_WARM_UP:]))
        if steps < 1:
            raise self._is_too_short(taken)
        return steps

    def _is_too_short(self, taken: list[float]) -> JobError:
        return JobError(
            f"wall={self.wall_seconds} leaves no step to carry out: {len(taken)} steps run to "
            f"measure one took {sum(taken):.3g} s; give more seconds, or steps=COUNT, which needs "
            "no measuring"
        )


@contextmanager
def limited_threads(cores: int) -> Iterator[None]:
    """Gives torch's operators so many threads, and afterwards as many as they had.

    Of the whole process, not of the calling thread alone. Raises ValueError for fewer than one.
    """
    if cores < 1:
        raise ValueError(f"cores={cores}: expected a whole number of at least 1")
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _number(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{key}={value}: expected a number above 0") from None


def _count(key: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal()):
        raise ValueError(f"{key}={value}: expected a whole number of at least 1")
    return int(value)
