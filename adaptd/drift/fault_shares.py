"""How much of a block's records is faulty, channel by channel."""

import numpy as np
from numpy.typing import NDArray


def fault_shares(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shares of records, float64 [channels, 3]: with a value missing in the channel; with one value
    at all positions of it (of a table: that of most of the block); equal to the record before."""
    values = x.reshape(len(x), x.shape[1], -1)
    is_missing = ~np.isfinite(values).all(axis=2)
    if values.shape[2] > 1:
        constant = (values == values[:, :, :1]).all(axis=2).mean(axis=0)
    else:
        constant = _most_frequent(values[:, :, 0])
    stuck = (
        (values[1:] == values[:-1]).all(axis=2).mean(axis=0) if len(values) > 1 else 0 * constant
    )
    return np.stack([is_missing.mean(axis=0), constant, stuck], axis=1)


def _most_frequent(columns: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of the most frequent value in each column of [n, columns]; of one that is new in each
    record 1 / n, of one that is never there 0."""
    alike = (columns[:, None] == columns[None]).sum(axis=0).max(axis=0, initial=0)
    return np.asarray(alike / max(1, len(columns)), np.float64)
