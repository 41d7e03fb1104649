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
    records = len(columns)
    ordered = np.sort(columns, axis=0)
    longest = np.any(~np.isnan(columns), axis=0).astype(np.int64)
    # Of most columns no two values are equal: then it is over at once.
    for length in range(2, records + 1):
        has_run = (ordered[length - 1 :] == ordered[: records - length + 1]).any(axis=0)
        if not has_run.any():
            break
        longest[has_run] = length
    return np.asarray(longest / max(1, records), np.float64)
