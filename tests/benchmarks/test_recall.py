"""How a return is told from a daemon's blocks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adaptd.clock import FakeClock
from adaptd.registry.scores import BlockScore
from benchmarks.live import Watched
from benchmarks.recall import row_of

BLOCK = 32


@dataclass(frozen=True)
class _Release:
    digest: str


@dataclass(frozen=True)
class _Proposal:
    evidence: dict[str, Any] = field(default_factory=dict)


def block(number: int, *, digest: str, hits: int) -> BlockScore:
    return BlockScore("s", number, number * BLOCK, BLOCK, hits, 0.5, digest, FakeClock().now())


def watched(blocks: list[BlockScore]) -> Watched:
    return Watched(
        state=Path("state"),
        records=len(blocks) * BLOCK,
        alarms=[],
        episodes=[],
        proposals=[_Proposal({"challenger": "release-1"})],  # type: ignore[list-item]
        releases=[_Release("first"), _Release("second")],  # type: ignore[list-item]
        blocks=blocks,
    )


def test_a_return_is_measured_from_its_first_record() -> None:
    before = [block(number, digest="second", hits=16) for number in range(10)]
    away = [block(number, digest="second", hits=3) for number in range(10, 14)]
    back = [block(number, digest="third", hits=24) for number in range(14, 40)]
    # Release 1 is always right on what has returned.
    row = row_of(watched([*before, *away, *back]), np.ones(30 * BLOCK, bool), returns=10 * BLOCK)
    assert row["was_replaced"]
    assert row["back_after_records"] == 4 * BLOCK
    assert row["old_percent"] == 100.0
    assert row["percent"] == pytest.approx(75.0)
    assert row["lost_points"] == pytest.approx(25.0)
    assert row["curve"][0] == [0, pytest.approx(100 * 3 / BLOCK)]
    assert row["winners"] == ["release-1"]


def test_a_daemon_that_has_not_come_to_the_return_is_refused() -> None:
    blocks = [block(number, digest="second", hits=16) for number in range(10)]
    with pytest.raises(ValueError, match="not come to the return"):
        row_of(watched(blocks), np.ones(100, bool), returns=10 * BLOCK)
