"""The ten thousand digits of MNIST's test set."""

import gzip
import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.recorded import recorded

SIDE = 28  # pixels
DIGITS = 10_000

IMAGES = "streams/t10k-images-idx3-ubyte.gz"
LABELS = "streams/t10k-labels-idx1-ubyte.gz"


# Every image shift of a benchmark reads the same file.
@lru_cache(maxsize=1)
def read(data: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Pixels from 0, paper, to 1, ink: float64 [10000, 28, 28]; digits int64 [10000]. Read-only.

    Raises MissingDataError without the files; ValueError if they hold anything else.
    Source: LeCun, Cortes & Burges 1998, "The MNIST database of handwritten digits".
    """
    images = _idx(recorded(data, IMAGES), (DIGITS, SIDE, SIDE)) / 255
    labels = _idx(recorded(data, LABELS), (DIGITS,)).astype(np.int64)
    images.setflags(write=False)
    labels.setflags(write=False)
    return images, labels


def _idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An IDX file of bytes: 0, 0, 8 for bytes, the number of axes, their sizes, the values."""
    content = gzip.decompress(path.read_bytes())
    head = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    if not content.startswith(head) or len(content) != len(head) + math.prod(shape):
        raise ValueError(f"{path}: expected bytes of shape {shape} in IDX")
    return np.frombuffer(content, np.uint8, offset=len(head)).reshape(shape)
