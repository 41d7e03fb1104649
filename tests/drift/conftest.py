"""Streams whose drift is known, as blocks."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from adaptd.drift.block import SignalBlock
from adaptd.stream.sampling_rate import WAVEFORMS

BLOCK = 32
LENGTH = 64

Change = Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]]


@pytest.fixture
def tones() -> Callable[..., list[SignalBlock]]:
    """Blocks of labelled noisy waveforms (1, 64) at any place, changed from a block on."""

    def make(
        seed: int,
        blocks: int,
        *,
        change_at: int | None = None,
        change: Change | None = None,
        priors: NDArray[np.float64] | None = None,
        stretch: float = 1.0,
    ) -> list[SignalBlock]:
        randomness = np.random.default_rng(seed)
        found = []
        for number in range(blocks):
            is_after = change_at is not None and number >= change_at
            target = randomness.choice(len(WAVEFORMS), BLOCK, p=priors if is_after else None)
            points = np.arange(LENGTH) / (24 * (stretch if is_after else 1.0))
            phase = (points[None] + randomness.random((BLOCK, 1))) % 1.0
            waves = np.array(
                [
                    np.interp(places, np.linspace(0, 1, 12), WAVEFORMS[one])
                    for places, one in zip(phase, target, strict=True)
                ]
            )
            x = 0.5 + waves + 0.3 * randomness.standard_normal((BLOCK, LENGTH))
            if is_after and change is not None:
                x = change(x, randomness)
            found.append(
                SignalBlock(
                    number * BLOCK,
                    x.astype(np.float32)[:, None],
                    target=target,
                    times=number * BLOCK + np.arange(BLOCK, dtype=np.float64),
                )
            )
        return found

    return make
