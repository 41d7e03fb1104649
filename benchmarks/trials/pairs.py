"""`PAIRS`: simulated hits of a challenger and its rival, as a live stream would give them.

In all of them both are equally good, over the long run; they differ in what their disagreements
look like. Each takes a generator and a number of records and gives two bool [records].
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Hits = NDArray[np.bool_]
Pair = tuple[Hits, Hits]
Draw = Callable[[np.random.Generator, int], Pair]

# Training records that the best of several challengers is chosen on: `episode.records`.
TRAINING = 1_500


def independent(
    rng: np.random.Generator, records: int, *, discordance: float, gain: float = 0.0
) -> Pair:
    """They disagree on a share of the records, the first right on `gain` more of all records."""
    kind = rng.choice(
        3, records, p=[(discordance + gain) / 2, (discordance - gain) / 2, 1 - discordance]
    )
    return kind != 1, kind != 0


def bursts(
    rng: np.random.Generator,
    records: int,
    *,
    discordance: float,
    length: int,
    is_one_sided: bool,
) -> Pair:
    """They disagree in bursts, geometric about `length`. is_one_sided: one and the same is right
    throughout a burst, as where consecutive records are nearly the same; else at each record."""
    first, second = np.ones(records, bool), np.ones(records, bool)
    at = 0 if rng.random() < discordance else int(rng.geometric(_ending(discordance, length)))
    while at < records:
        end = min(at + int(rng.geometric(1 / length)), records)
        is_first = rng.random() < 0.5 if is_one_sided else rng.random(end - at) < 0.5
        first[at:end], second[at:end] = is_first, np.logical_not(is_first)
        at = end + int(rng.geometric(_ending(discordance, length)))
    return first, second


def _ending(discordance: float, length: int) -> float:
    """The chance that agreement ends at a record, such that they disagree on the share asked."""
    return min(1.0, discordance / (1 - discordance) / length)


def regimes(
    rng: np.random.Generator, records: int, *, discordance: float, length: int, share: float
) -> Pair:
    """For times of about `length` records one of them wins the given share of disagreements."""
    turns = np.cumsum(rng.random(records) < 1 / length) + rng.integers(2)
    is_ahead = (rng.random(records) < share) ^ (turns % 2 == 1)
    differ = rng.random(records) < discordance
    return ~differ | is_ahead, ~differ | ~is_ahead


def interleaved(rng: np.random.Generator, records: int, *, sources: int, draw: Draw) -> Pair:
    """So many sources take turns, as devices or partitions do: each is as `draw` has it, and
    records next to each other are of different ones."""
    first, second = np.empty(records, bool), np.empty(records, bool)
    for source in range(sources):
        own = slice(source, records, sources)
        first[own], second[own] = draw(rng, len(range(*own.indices(records))))
    return first, second


def best_of_five(rng: np.random.Generator, records: int) -> Pair:
    """Five challengers as good as the rival, the one that did best on its training records tried
    on the records after them. Four in ten hits are drawn alike for all: they know the same."""
    hits = rng.random((6, TRAINING + records)) < 0.8
    hits = np.where(rng.random(hits.shape) < 0.4, rng.random(TRAINING + records) < 0.8, hits)
    best = int(hits[1:, :TRAINING].sum(1).argmax()) + 1
    return hits[best, TRAINING:], hits[0, TRAINING:]


# What the bound on false promotions is measured on.
NULLS: Mapping[str, Draw] = MappingProxyType(
    {
        "independent-10": partial(independent, discordance=0.1),
        "independent-30": partial(independent, discordance=0.3),
        "bursts-10": partial(bursts, discordance=0.1, length=10, is_one_sided=False),
        "bursts-30": partial(bursts, discordance=0.3, length=10, is_one_sided=False),
        "autocorrelated-10": partial(bursts, discordance=0.1, length=10, is_one_sided=True),
        "autocorrelated-30": partial(bursts, discordance=0.3, length=10, is_one_sided=True),
        "best-of-five": best_of_five,
    }
)

# Where it is known not to hold: the challenger is better than the rival for a while, and longer
# than any block by which resemblance is seen; or there are few such times among the records that a
# trial may end after.
BEYOND: Mapping[str, Draw] = MappingProxyType(
    {
        **{
            f"{sources}-sources-autocorrelated-30": partial(
                interleaved, sources=sources, draw=NULLS["autocorrelated-30"]
            )
            for sources in (4, 8)
        },
        "bursts-of-30-records-30": partial(bursts, discordance=0.3, length=30, is_one_sided=True),
        "regimes-of-100-records-30": partial(regimes, discordance=0.3, length=100, share=0.7),
        "regimes-of-500-records-30": partial(regimes, discordance=0.3, length=500, share=0.6),
    }
)
