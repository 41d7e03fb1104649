"""What each signal makes of a block."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from adaptd.drift.block import SignalBlock
from adaptd.drift.signals import (
    Signal,
    answer_signals,
    input_signals,
    label_signals,
    output_signals,
)
from adaptd.drift.signals.faults import Faults
from adaptd.drift.signals.outputs import confidence, entropy
from adaptd.drift.signals.stability_index import stability_index

CLASSES = ("a", "b", "c")


def _block(seed: int, *, number: int = 0, shape: tuple[int, ...] = (2, 16)) -> SignalBlock:
    randomness = np.random.default_rng([seed, number])
    target = randomness.integers(0, 3, 32)
    logits = randomness.standard_normal((32, 3)) + 2 * np.eye(3)[target]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return SignalBlock(
        32 * number,
        randomness.standard_normal((32, *shape)).astype(np.float32),
        probabilities=probabilities,
        target=target,
        hits=probabilities.argmax(axis=1) == target,
        losses=-np.log(probabilities[np.arange(32), target]),
    )


def _all() -> list[Signal]:
    return [
        *input_signals(),
        *output_signals(3),
        *label_signals(CLASSES),
        *answer_signals(CLASSES),
    ]


@pytest.mark.parametrize("place", range(len(_all())))
def test_a_restored_signal_scores_alike_and_scores_are_of_the_block_alone(place: int) -> None:
    signal, other = _all()[place], _all()[place]
    signal.fit([_block(0, number=number) for number in range(30)])
    other.restore(json.loads(json.dumps(signal.state(), allow_nan=False)))
    blocks = [_block(0, number=number) for number in range(40, 44)]
    scores = [signal.scores(block)[0].tolist() for block in blocks]
    assert scores == [other.scores(block)[0].tolist() for block in blocks]
    assert scores[::-1] == [signal.scores(block)[0].tolist() for block in blocks[::-1]]
    assert all(np.isfinite(one).all() for one in scores)
    for block, one in zip(blocks, scores, strict=True):
        starts = signal.scores(block)[1]
        assert len(starts) == len(one)
        assert set(starts.tolist()) <= set(block.records.tolist())
        assert signal.is_per_record or len(one) == 1


Change = Callable[[SignalBlock], SignalBlock]


def _worse(block: SignalBlock) -> SignalBlock:
    assert block.target is not None
    losses = np.full(32, 4.0)
    return replace(block, hits=np.zeros(32, bool), losses=losses)


SEES: dict[str, Change] = {
    "input-moments": lambda block: replace(block, x=2 * block.x),
    "input-psi": lambda block: replace(block, x=np.sign(block.x) * np.float32(0.8)),
    "input-components": lambda block: replace(block, x=3 * block.x),
    "input-bands": lambda block: replace(block, x=np.cumsum(block.x, axis=2)),
    "output-confidence": lambda block: replace(block, probabilities=np.eye(3)[block.target]),
    "output-entropy": lambda block: replace(block, probabilities=np.full((32, 3), 1 / 3)),
    "predicted-classes": lambda block: replace(
        block, probabilities=np.tile([0.8, 0.1, 0.1], (32, 1))
    ),
    "label-classes": lambda block: replace(block, target=np.full(32, 2)),
    "error": _worse,
    "loss": _worse,
    "calibration": _worse,
    "error-of-a": _worse,
}


@pytest.mark.parametrize("name", SEES)
def test_each_finds_what_it_is_for_stranger_than_anything_ordinary(name: str) -> None:
    signal = next(one for one in _all() if one.name == name)
    signal.fit([_block(1, number=number) for number in range(30)])
    blocks = [_block(1, number=number) for number in range(30, 90)]
    ordinary = [float(signal.scores(block)[0].mean()) for block in blocks]
    strange = [float(signal.scores(SEES[name](block))[0].mean()) for block in blocks]
    assert np.median(strange) > max(ordinary)


def test_faults_name_the_channel_and_what_it_has() -> None:
    faults = Faults()
    faults.fit([_block(2, number=number) for number in range(10)])
    missing, constant, stuck = (_block(2, number=20).x.copy() for _ in range(3))
    missing[:, 1, 3] = np.nan
    constant[:, 0] = 3.0
    stuck[:, 1] = stuck[:1, 1]
    for x, expected in (
        (missing, {1: "missing"}),
        (constant, {0: "constant"}),
        (stuck, {1: "stuck"}),
        (_block(2, number=21).x, {}),
    ):
        block = SignalBlock(0, x)
        assert faults.broken(block) == expected
        assert (faults.scores(block)[0][0] > 0.9) == bool(expected)


def test_a_flag_that_is_always_off_is_not_broken() -> None:
    def table(number: int) -> SignalBlock:
        x = np.random.default_rng(number).standard_normal((32, 3)).astype(np.float32)
        x[:, 2] = 0.0
        return SignalBlock(number * 32, x)

    faults = Faults()
    faults.fit([table(number) for number in range(10)])
    assert faults.broken(table(11)) == {}
    stuck = table(12).x.copy()
    stuck[:, 0] = 1.5
    assert set(faults.broken(SignalBlock(0, stuck))) == {0}


def test_input_signals_take_values_that_are_missing() -> None:
    signals = [signal for signal in input_signals() if signal.name != "input-bands"]
    for signal in signals:
        signal.fit([_block(3, number=number, shape=(4,)) for number in range(10)])
        x = _block(3, number=20, shape=(4,)).x.copy()
        x[::2, 1] = np.nan
        assert np.isfinite(signal.scores(SignalBlock(0, x))[0]).all()


def test_numbers_of_predictions() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [np.nan] * 3])
    assert confidence(probabilities).tolist() == [0.5, 1.0, 0.0]
    assert entropy(probabilities) == pytest.approx([1.5 * np.log(2), 0.0, np.log(3)])


def test_the_stability_index_is_that_of_its_formula() -> None:
    own, reference = np.array([0.7, 0.3]), np.array([0.5, 0.5])
    expected = 0.2 * np.log(1.4) + -0.2 * np.log(0.6)
    assert stability_index(own, reference) == pytest.approx(expected)
    assert stability_index(own, own) == 0


def test_a_class_that_hardly_comes_has_no_signal() -> None:
    rare = next(one for one in _all() if one.name == "error-of-a")
    with pytest.raises(ValueError, match="too few"):
        rare.fit([_block(4)])
