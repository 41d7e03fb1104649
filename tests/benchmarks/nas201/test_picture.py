from pathlib import Path

import numpy as np

from benchmarks.nas201.comparison import METHODS
from benchmarks.nas201.picture import draw


def test_gaps_that_reach_zero_are_drawn(tmp_path: Path) -> None:
    gap = np.maximum(0, 10.0 - np.arange(100)[None, :] - np.arange(4)[:, None])
    gaps = {"one": dict.fromkeys(METHODS, gap), "two": dict.fromkeys(METHODS, gap)}
    draw(tmp_path / "gaps.png", gaps, target=0.3)
    assert (tmp_path / "gaps.png").read_bytes().startswith(b"\x89PNG")
