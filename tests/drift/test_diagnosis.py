"""Kinds of drift told apart."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from adaptd.drift.block import SignalBlock
from adaptd.drift.diagnosis import RUNGS, Diagnosis, diagnose
from adaptd.drift.profile import Profile

Tones = Callable[..., list[SignalBlock]]
PRIORS = np.array([0.3, 0.3, 0.2, 0.1, 0.05, 0.01, 0.01, 0.01, 0.01, 0.01])

CHANGES: dict[str, dict[str, Any]] = {
    "gain": {"change": lambda x, _: 1.4 * x},
    "offset": {"change": lambda x, _: x + 0.5},
    "noise": {"change": lambda x, rng: x + 0.4 * rng.standard_normal(x.shape)},
    "focus": {
        "change": lambda x, rng: (
            gaussian_filter1d(x, 1.5, axis=1) + 0.28 * rng.standard_normal(x.shape)
        )
    },
    "rate": {"stretch": 2.0},
    "outage": {"change": lambda x, _: np.full_like(x, 3.0)},
    "prior": {"priors": PRIORS},
}


def _diagnosis(blocks: list[SignalBlock], *, since: int) -> Diagnosis:
    profile = Profile(10)
    profile.fit(blocks[:20])
    for number, block in enumerate(blocks[20:], start=20):
        profile.take(block, is_reference=number < since)
    restored = Profile(10)
    restored.restore(profile.state())
    shape = blocks[0].x.shape[1:]
    found = diagnose(profile, since_record=since * 32, shape=shape)
    assert diagnose(restored, since_record=since * 32, shape=shape) == found
    return found


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("seed", range(3))
def test_each_kind_is_told_from_eight_blocks(tones: Tones, kind: str, seed: int) -> None:
    blocks = tones(seed, 108, change_at=100, **CHANGES[kind])
    found = _diagnosis(blocks, since=100)
    assert found.kind == kind, found.evidence
    assert found.rungs == RUNGS[kind]
    if kind != "prior":
        assert found.channels == (0,)


def test_only_one_of_two_channels_is_named(tones: Tones) -> None:
    one, other = tones(0, 108), tones(1, 108, change_at=100, change=lambda x, _: 1.5 * x)
    both = [
        replace(first, x=np.concatenate([first.x, second.x], axis=1))
        for first, second in zip(one, other, strict=True)
    ]
    found = _diagnosis(both, since=100)
    assert (found.kind, found.channels) == ("gain", (1,))
    assert found.evidence["sensor"]["gain"]["parameter"] == pytest.approx(1.5, rel=0.05)


def test_a_rise_of_the_error_over_the_same_input_is_a_concept_change(tones: Tones) -> None:
    blocks = [
        replace(
            block,
            hits=np.random.default_rng(number).random(32) < (0.9 if number < 100 else 0.3),
            probabilities=np.eye(10)[np.random.default_rng(number).permutation(32) % 10],
        )
        for number, block in enumerate(tones(2, 108))
    ]
    found = _diagnosis(blocks, since=100)
    assert found.kind == "concept"
    assert found.evidence["answers"]["error_after"] == pytest.approx(0.7, abs=0.1)


def test_nothing_that_changed_is_unclear_and_holds(tones: Tones) -> None:
    kinds = [_diagnosis(tones(seed, 108), since=100).kind for seed in range(10)]
    assert kinds == ["unclear"] * 10
    assert RUNGS["unclear"] == RUNGS["outage"] == ("hold",)


def test_a_table_tells_offsets_from_noise() -> None:
    def blocks(
        change: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    ) -> list[SignalBlock]:
        randomness = np.random.default_rng(0)
        found = []
        for number in range(108):
            x = 2.0 + randomness.standard_normal((32, 4))
            if number >= 100:
                x[:, 2] = change(x[:, 2], randomness)
            found.append(SignalBlock(number * 32, x.astype(np.float32)))
        return found

    offset = _diagnosis(blocks(lambda x, _: x + 1.0), since=100)
    noise = _diagnosis(blocks(lambda x, rng: x + rng.normal(0, 1.2, x.shape)), since=100)
    gain = _diagnosis(blocks(lambda x, _: 1.6 * x), since=100)
    assert (offset.kind, noise.kind, gain.kind) == ("offset", "noise", "gain")
    assert offset.channels == noise.channels == gain.channels == (2,)


def test_without_blocks_there_is_nothing_to_say() -> None:
    with pytest.raises(ValueError, match="two blocks of the reference"):
        diagnose(Profile(2), since_record=0, shape=(3,))
