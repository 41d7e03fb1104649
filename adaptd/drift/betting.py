"""`Bets`: what is wagered on p-values being smaller than uniform ones."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# For scores of any kind. Bounds from where only a block that nothing resembles lies, to where a
# slight shift of all blocks shows; each with a bold and a cautious bet.
_GENERAL = (
    (0.004, 100.0),
    (0.01, 60.0),
    (0.01, 20.0),
    (0.05, 12.0),
    (0.05, 4.0),
    (0.2, 3.5),
    (0.2, 1.8),
)

# How many times as frequent an event becomes: slightly, clearly, very much.
_TIMES = (1.4, 2.0, 3.5)


@dataclass(frozen=True)
class Bets:
    """Step densities on [0, 1]: bet j pays factors[j] at or below bounds[j], less above it.

    Each is at least 0 and has mean 1 under a uniform p-value, so each is an e-value.
    """

    bounds: tuple[float, ...]
    factors: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.bounds) != len(self.factors) or not self.bounds:
            raise ValueError("expected one factor for each bound, and at least one")
        for bound, factor in zip(self.bounds, self.factors, strict=True):
            if not 0 < bound < 1 or not 0 < factor * bound < 1:
                raise ValueError(f"a bet of {factor} below {bound} has no density above it")

    @classmethod
    def general(cls) -> "Bets":
        """Without an idea of how the change will look."""
        bounds, factors = zip(*_GENERAL, strict=True)
        return cls(bounds, factors)

    @classmethod
    def on_event(cls, rate: float) -> "Bets":
        """On an event of that rate, in (0, 1), becoming more frequent.

        The step lies where p-values of the event end, so that none of its information is lost.
        """
        bound = min(max(rate, 1e-4), 0.9)
        factors = [times for times in _TIMES if times * bound < 0.95]
        if not factors:
            factors = [(1 + 1 / bound) / 2]
        return cls((bound,) * len(factors), tuple(factors))

    def log_e_values(self, p_values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Natural logarithms, float64 [n, bets], of p-values [n]."""
        bounds, won, lost = self._logs
        return np.where(p_values[:, None] <= bounds, won, lost)

    @cached_property
    def _logs(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Bounds, and the logarithms of what is paid at or below each, and above it."""
        bounds, factors = np.array(self.bounds), np.array(self.factors)
        return bounds, np.log(factors), np.log((1 - factors * bounds) / (1 - bounds))
