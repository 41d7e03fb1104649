"""Reservoir sampling: a uniform sample of fixed size, of records that are still to come."""

import numpy as np

from adaptd.stream.batch import Batch


def sampled(kept: Batch, offered: Batch, *, before: int, capacity: int, seed: int) -> Batch:
    """The sample after more records were offered: each of all has the same chance to be in it.

    kept: the sample of the `before` records that were offered earlier; empty if there were none.
    capacity: of the sample. Where it was smaller it stays so: what was not kept does not come back;
    where it was larger, a part of what was kept is drawn first. The same arguments give the same
    sample, in the same order. Raises ValueError for a capacity below 1.
    Source: Vitter 1985, "Random sampling with a reservoir" (algorithm R).
    """
    if capacity < 1:
        raise ValueError(f"a sample holds at least one record, got {capacity}")
    generator = np.random.default_rng(seed)
    if len(kept) > capacity:
        places = np.empty(capacity, np.int64)
        for half in (0, 1):
            # What was there to rehearse must not become what is there to judge by.
            own = np.arange(half, len(kept), 2)
            room = len(places[half::2])
            places[half::2] = np.sort(generator.choice(own, room, replace=False))
        kept = kept.at(places)
    if before > len(kept):
        capacity = len(kept)
    places = np.arange(capacity)
    filled = len(kept)
    for number in range(len(offered)):
        if filled < capacity:
            place, filled = filled, filled + 1
        else:
            place = int(generator.integers(before + number + 1))
        if place < capacity:
            places[place] = len(kept) + number
    return Batch.concatenate([kept, offered]).at(places[:filled])


def to_judge(sample: Batch) -> Batch:
    """Every second record of a sample: those that nothing is ever trained on again, so that they
    show what was forgotten."""
    return sample[1::2]


def to_rehearse(sample: Batch) -> Batch:
    """The others, which may be trained on again."""
    return sample[::2]
