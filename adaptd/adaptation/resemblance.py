"""`Resemblance`: how many consecutive records tell no more than one would, learnt as they come."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Lengths of the blocks that are compared, in records. Records that resemble each other further
# apart than the longest are taken for independent ones.
BLOCKS = (4, 16, 64, 256)

# Standard deviations, of a ratio over independent records, that it may lie above 1 by chance.
ALLOWANCE = 2.0

# Up to so many blocks of one length are few.
FEW = 24

# Beyond it the logarithm would be infinite: every block leads by the very same number.
LARGEST_SHARE = 1 - 1e-9


@dataclass(frozen=True)
class _Scale:
    """One block length. total, squares: sums over the records of all whole blocks of the
    differences and of their squares; block_squares: of the blocks' sums, squared."""

    total: float = 0.0
    squares: float = 0.0
    block_squares: float = 0.0


@dataclass(frozen=True)
class Resemblance:
    """The running sums by which it is told. A value: `after` makes the next one.

    Where paired differences are independent, the square of a block's sum is on average the sum of
    its squares. Where consecutive ones resemble each other it is larger, by the factor by which the
    variance of a mean over many of them is: *batch means*. Taken over each block length, the
    largest counts.

    A lead of one model over the other makes block sums large too. Taking the mean lead off them is
    right for many blocks; among few it mistakes resemblance for a lead. Student's likelihood lies
    between: with x the share of the blocks' squares that a common mean explains, few blocks have
    their ratio multiplied by x / -log(1 - x), where 1 - x takes the lead off wholly, and many come
    ever closer to 1 - x. What m blocks leave unknown is a factor of (m + 3) / (m - 1), by which the
    bound on false promotions was seen to be kept where it was not with less.

    Sources: Flegal & Jones 2010, "Batch means and spectral variance estimators in Markov chain
    Monte Carlo"; Geyer 1992, "Practical Markov chain Monte Carlo".
    """

    records: int = 0
    total: float = 0.0
    squares: float = 0.0
    scales: tuple[_Scale, ...] = (_Scale(),) * len(BLOCKS)

    def after(self, differences: NDArray[np.float64]) -> tuple[NDArray[np.float64], "Resemblance"]:
        """What is known after each of the next records.

        differences: float64 [n], in [-1, 1], in stream order. Returns float64 [n], at least 1: so
        many records count as one; and the value to go on from.
        """
        if not len(differences):
            return np.ones(0), self
        # Running sums go on from what they were: sums cut in two differ in their last bits.
        totals = np.cumsum(np.concatenate(([self.total], differences)))
        squares = np.cumsum(np.concatenate(([self.squares], differences**2)))
        counts = self.records + np.arange(1, len(differences) + 1)
        largest = np.ones(len(differences))
        scales = []
        for length, scale in zip(BLOCKS, self.scales, strict=True):
            whole = self.records // length
            ends = np.arange((whole + 1) * length, counts[-1] + 1, length) - self.records
            at_ends = np.concatenate(([scale.total], totals[ends]))
            squares_at_ends = np.concatenate(([scale.squares], squares[ends]))
            block_squares = np.cumsum(
                np.concatenate(([scale.block_squares], np.diff(at_ends) ** 2))
            )
            ratios = _ratios(
                whole + np.arange(len(at_ends)), at_ends, squares_at_ends, block_squares
            )
            np.maximum(largest, ratios[counts // length - whole], out=largest)
            scales.append(
                _Scale(float(at_ends[-1]), float(squares_at_ends[-1]), float(block_squares[-1]))
            )
        following = Resemblance(
            int(counts[-1]), float(totals[-1]), float(squares[-1]), tuple(scales)
        )
        return largest, following

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "blocks": list(BLOCKS),
            "records": self.records,
            "total": self.total,
            "squares": self.squares,
            "scales": [[scale.total, scale.squares, scale.block_squares] for scale in self.scales],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> "Resemblance":
        """Where `state` was taken. Raises ValueError for other block lengths."""
        if state["blocks"] != list(BLOCKS):
            raise ValueError(f"expected blocks of {list(BLOCKS)} records, got {state['blocks']}")
        return cls(
            int(state["records"]),
            float(state["total"]),
            float(state["squares"]),
            tuple(_Scale(*map(float, scale)) for scale in state["scales"]),
        )


def _ratios(
    blocks: NDArray[np.int64],
    total: NDArray[np.float64],
    squares: NDArray[np.float64],
    block_squares: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Records that count as one, at one block length: float64 [n]; 0 below two blocks, which have
    nothing to be compared with."""
    is_told = (blocks >= 2) & (block_squares > 0)
    number = np.where(is_told, blocks, 2).astype(np.float64)
    of_blocks = np.where(is_told, block_squares, 1.0)
    share = np.clip(total**2 / (number * of_blocks), 1e-12, LARGEST_SHARE)
    known = np.clip(1 - FEW / number, 0, 1)
    lead_off = (share / -np.log1p(-share)) ** (1 - known) * (1 - share) ** known
    ratios = of_blocks / np.where(is_told, squares, 1.0) * lead_off * (number + 3) / (number - 1)
    return np.where(is_told, ratios - ALLOWANCE * np.sqrt(2 / number), 0.0)
