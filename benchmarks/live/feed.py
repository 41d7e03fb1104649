"""`Feed`: a recording that grows while a daemon reads it."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.streams import Samples


class Feed:
    """Appends records to a file of JSON lines, in their order; `written` counts them."""

    def __init__(self, path: Path, *, classes: int) -> None:
        self._path = path
        self._names = class_names(classes)
        self.written = 0
        path.touch()

    def append(self, samples: Samples) -> None:
        """The records one after the other, a second apart by their own time."""
        with self._path.open("a") as file:
            for x, target in zip(samples.x, samples.target, strict=True):
                file.write(self._line(x, int(target)))
                self.written += 1

    def _line(self, x: NDArray[np.float32], target: int) -> str:
        document = {
            "id": str(self.written),
            "time": float(self.written),
            "x": x.tolist(),
            "target": self._names[target],
        }
        return json.dumps(document) + "\n"


def class_names(classes: int) -> list[str]:
    """Names in the order of the model's outputs."""
    return [f"c{number}" for number in range(classes)]


def part(samples: Samples, first: int, end: int) -> Samples:
    """Records first to end, without end."""
    return Samples(samples.x[first:end], samples.target[first:end])


def joined(*parts: Samples) -> Samples:
    """One after the other."""
    return Samples(
        np.concatenate([one.x for one in parts]), np.concatenate([one.target for one in parts])
    )
