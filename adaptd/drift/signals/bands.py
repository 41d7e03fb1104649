"""`Bands`: the spectrum of each channel."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.block import SignalBlock
from adaptd.drift.spectrum import band_energies, has_spectrum

_LEAST_POWER = 1e-12


class Bands:
    """float64 [channels * bands]: logarithms of the mean band energies of a block's records."""

    name = "input-bands"

    def can_read(self, block: SignalBlock) -> bool:
        return len(block) > 0 and has_spectrum(block.x.shape[1:])

    def fit(self, training: Sequence[SignalBlock]) -> None:
        """Nothing to learn."""

    def of(self, block: SignalBlock) -> NDArray[np.float64]:
        energies: NDArray[np.float64] = np.log(
            band_energies(block.x).mean(axis=0) + _LEAST_POWER
        ).ravel()
        return energies

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing was learnt."""
