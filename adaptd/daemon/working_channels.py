"""Which blocks a broken sensor gave, by their records alone, where nobody watches for outages."""

from collections.abc import Callable, Sequence

import numpy as np

from adaptd.drift.fault_shares import fault_shares
from adaptd.registry.scores import BlockScore
from adaptd.stream.batch import Batch

# Of the records of a block that are faulty in a channel, beyond what is usual there, the share from
# which its sensor was broken; a channel that is faulty as often as `_USUAL` says nothing by it.
_BROKEN = 0.5
_USUAL = 0.5
# Blocks that tell what is usual: the best of four, since the others may be those of an outage.
_USUAL_QUANTILE = 0.25


def with_working_channels(
    blocks: Sequence[BlockScore], records: Callable[[BlockScore], Batch]
) -> list[BlockScore]:
    """Those of the blocks in which no channel is missing, constant or stuck more than is usual
    among them, nor in the one before or after.

    records: of a block. An outage that most of the blocks are of passes for usual.
    """
    if not blocks:
        return []
    shares = np.stack([fault_shares(records(block).x) for block in blocks])
    usual = np.quantile(shares, _USUAL_QUANTILE, axis=0)
    beyond = (shares - usual) / np.maximum(1 - usual, 1e-9)
    broken = np.flatnonzero(((usual < _USUAL) & (beyond >= _BROKEN)).any(axis=(1, 2)))
    # An outage begins and ends within a block: the one before may hold a little of it.
    near = {int(place) + step for place in broken for step in (-1, 0, 1)}
    return [block for place, block in enumerate(blocks) if place not in near]
