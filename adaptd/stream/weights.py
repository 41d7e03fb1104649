"""Weights: how much records count in training, from the forms in which records hold them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.reject import UnfitRecordError, shown

# What float32 holds in full precision.
_LEAST, _MOST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def weight_of(value: object, *, field: str | None) -> float:
    """A number above 0 and finite, also as float32; 1 for None.

    0 is no weight, since of records that all weigh 0 nothing could be drawn. `field` names it in
    the error. Raises UnfitRecordError: weight.
    """
    if value is None:
        return 1.0
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not _LEAST <= value <= _MOST
    ):
        raise UnfitRecordError(
            "weight", f"{field} must be a finite number above 0, got {shown(value)}"
        )
    return float(value)


def weights_of(values: Sequence[object], *, field: str | None) -> NDArray[np.float32]:
    """What `weight_of` makes of each, float32 [n]. Raises UnfitRecordError if one is no weight."""
    return np.array([weight_of(value, field=field) for value in values], np.float32)
