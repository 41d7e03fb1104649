"""In which shares classes come: to a champion when it was trained, and now."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adaptd.daemon.context import StreamContext
from adaptd.registry import manifest
from adaptd.registry.releases import Release
from adaptd.stream.window import Window

# Records that each class is worth before any came (Jeffreys): no share is 0, and no logarithm
# infinite.
_PRIOR = 0.5


def counts_of(target: NDArray[np.int64], classes: int) -> list[int]:
    """Records of each class."""
    return [int(count) for count in np.bincount(target, minlength=classes)]


def shares_of(counts: Sequence[int]) -> list[float]:
    """Of counts; each above 0, together 1."""
    total = sum(counts) + _PRIOR * len(counts)
    return [(count + _PRIOR) / total for count in counts]


def learnt_counts(
    context: StreamContext, champion: Release, window: Window, *, before: int
) -> list[int] | None:
    """Records of each class that the champion was trained on, as its release says; of a release
    from when it did not, those of the window that come before a record. None where there are
    none, and of weights that were given."""
    evidence = manifest.verify(context.absolute(champion.path), digest=champion.digest)["evidence"]
    if evidence.get("given_weights") is not None:
        return None
    classes = len(champion.contract.classes)
    known = evidence.get("training_classes")
    if known is not None and len(known) == classes:
        return [int(count) for count in known]
    first = max(window.first_record, before - context.config.episode.records)
    if first >= before:
        return None
    return counts_of(window.between(first, before).target, classes)
