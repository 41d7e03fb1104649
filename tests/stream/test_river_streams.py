"""The concepts of river's generators: the same for every seed and chunk, and another after it."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river.datasets import synth

from adaptd.stream.river_streams import RIVER_STREAMS, RiverStream
from adaptd.stream.scenario import SCENARIOS, generate

STREAMS = {stream.name: stream for stream in RIVER_STREAMS}
Columns = NDArray[np.float32]
Rule = Callable[[Columns], NDArray[Any]]
_SEGMENTS = np.array(synth.LED._ORIGINAL_INSTANCES)


def _below_sine(x: Columns) -> NDArray[np.bool_]:
    return np.asarray(x[:, 0] < np.sin(x[:, 1]))


def _agrees(x: Columns) -> NDArray[np.bool_]:
    is_below = x[:, 3] < 0.5 + 0.3 * np.sin(3 * np.pi * x[:, 2])
    return np.asarray(x[:, 0] + x[:, 1] + is_below >= 2)


def _digit(segments: Columns) -> NDArray[np.int64]:
    return np.asarray(np.abs(segments[:, None] - _SEGMENTS).sum(axis=2).argmin(axis=1))


def _is_granted_by_education(x: Columns) -> NDArray[np.bool_]:
    age, level = x[:, 2], x[:, 3]
    is_granted = np.where(
        age < 40,
        level <= 1,
        np.where(age < 60, (level >= 1) & (level <= 3), level >= 2),
    )
    return np.asarray(is_granted)


# What the papers say of each, before and after; and how many of a hundred records follow it.
RULES: dict[str, tuple[Rule, Rule, float]] = {
    "sea": (lambda x: x[:, 0] + x[:, 1] > 8, lambda x: x[:, 0] + x[:, 1] > 9.5, 0.88),
    "sine": (_below_sine, lambda x: ~_below_sine(x), 1),
    "mixed": (lambda x: ~_agrees(x), _agrees, 1),
    "stagger": (
        lambda x: (x[:, 0] == 0) & (x[:, 1] == 0),
        lambda x: (x[:, 1] == 2) | (x[:, 2] == 0),
        1,
    ),
    # A tenth of the segments are wrong: three digits in four can still be read.
    "led": (lambda x: _digit(x[:, :7]), lambda x: _digit(x[:, 7:14]), 0.68),
    "agrawal": (lambda x: (x[:, 2] < 40) | (x[:, 2] >= 60), _is_granted_by_education, 1),
}


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("seed", [0, 1])
def test_the_drift_changes_the_rule_and_no_seed_does(name: str, seed: int) -> None:
    before, after, share = RULES[name]
    x, target = generate(SCENARIOS[name], seed=seed, first=0, count=2_000, drift_at=1_000)
    parts = ((slice(0, 1_000), before, after), (slice(1_000, 2_000), after, before))
    for part, own, other in parts:
        follows = (own(x[part]) == target[part]).mean()
        # Of 1,000: four standard errors are below 0.06.
        assert follows >= share - 0.06 * (share < 1)
        assert (other(x[part]) == target[part]).mean() < follows - 0.04


@pytest.mark.parametrize("name", ["random-rbf", "random-tree"])
def test_a_random_concept_is_the_same_for_all_records_and_another_after_it(name: str) -> None:
    """By the class of the nearest of 1,500 records of another seed."""
    stream = STREAMS[name]
    known, classes = stream.draw(np.random.default_rng(0), 1_500, is_after=False)
    hits = {}
    for is_after in (False, True):
        x, target = stream.draw(np.random.default_rng(1), 500, is_after=is_after)
        scale = known.std(axis=0)
        squares = (((x[:, None] - known[None]) / scale) ** 2).sum(axis=2)
        hits[is_after] = (classes[squares.argmin(axis=1)] == target).mean()
    assert hits[False] > hits[True] + 0.15


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_records_are_the_generators_own(name: str) -> None:
    stream: RiverStream = STREAMS[name]
    seed = int(np.random.default_rng(5).integers(2**32))
    x, target = stream.draw(np.random.default_rng(5), 20, is_after=False)
    expected = list(stream.make(synth, seed, False).take(20))
    assert len(expected[0][0]) == len(stream.features)
    np.testing.assert_allclose(x, [list(map(float, row.values())) for row, _ in expected])
    assert target.tolist() == [int(label) for _, label in expected]


def test_river_is_not_imported_before_a_record_is_drawn() -> None:
    code = (
        "import sys, adaptd.stream.scenario as s; assert 'river' not in sys.modules;"
        "s.generate(s.SCENARIOS['sine'], seed=0, first=0, count=1, drift_at=9);"
        "assert 'river' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
